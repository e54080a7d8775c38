import { StepError } from '../step.js';

/** Values by name; `raw.start` has a dot in its name. */
export type Scope = (name: string) => number | undefined;

const TOKEN = /\s*(\d+\s*MiB|0x[0-9A-Fa-f]+|\d+|[A-Za-z_][\w.]*|[=!<>]=|&&|\|\||[-+*/()?:,!<>])/y;

/**
 * The arithmetic of scenarios: numbers, names, + - * /, comparisons, `? :`, and the words `is`,
 * `and`, `or`, `not`. @throws StepError
 */
export function evaluate(text: string, scope: Scope): number {
  const tokens = tokensOf(text);
  const parser = new Parser(tokens, scope, text);
  const value = parser.ternary();
  if (!parser.isDone()) throw new StepError(`can't read ${text}`);
  return value;
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const match = TOKEN.exec(text);
    if (match === null) throw new StepError(`can't read ${text}`);
    tokens.push(match[1] ?? '');
  }
  return tokens;
}

const WORDS: Readonly<Record<string, string>> = { is: '==', and: '&&', or: '||', not: '!' };
const MIB = 2 ** 20;

class Parser {
  private at = 0;

  constructor(
    private readonly tokens: readonly string[],
    private readonly scope: Scope,
    private readonly text: string,
  ) {}

  isDone(): boolean {
    return this.at === this.tokens.length;
  }

  ternary(): number {
    const condition = this.or();
    if (!this.take('?')) return condition;
    const yes = this.ternary();
    this.expect(':');
    const no = this.ternary();
    return condition !== 0 ? yes : no;
  }

  private or(): number {
    let value = this.and();
    while (this.take('||')) value = Number(Boolean(this.and()) || value !== 0);
    return value;
  }

  private and(): number {
    let value = this.comparison();
    while (this.take('&&')) value = Number(Boolean(this.comparison()) && value !== 0);
    return value;
  }

  private comparison(): number {
    const left = this.sum();
    if (this.take('==')) return Number(left === this.sum());
    if (this.take('!=')) return Number(left !== this.sum());
    if (this.take('<=')) return Number(left <= this.sum());
    if (this.take('>=')) return Number(left >= this.sum());
    if (this.take('<')) return Number(left < this.sum());
    if (this.take('>')) return Number(left > this.sum());
    return left;
  }

  private sum(): number {
    let value = this.product();
    for (;;) {
      if (this.take('+')) value += this.product();
      else if (this.take('-')) value -= this.product();
      else return value;
    }
  }

  private product(): number {
    let value = this.unary();
    for (;;) {
      if (this.take('*')) value *= this.unary();
      else if (this.take('/')) value /= this.unary();
      else return value;
    }
  }

  private unary(): number {
    if (this.take('!')) return Number(this.unary() === 0);
    if (this.take('-')) return -this.unary();
    if (this.take('(')) {
      const value = this.ternary();
      this.expect(')');
      return value;
    }
    return this.named(this.tokens[this.at++] ?? '');
  }

  private named(token: string): number {
    const mib = /^(\d+)\s*MiB$/.exec(token);
    if (mib !== null) return Number(mib[1]) * MIB;
    if (/^\d/.test(token)) return Number(token);
    if (this.take('(')) return this.call(token);
    const value = this.scope(token);
    if (value === undefined) throw new StepError(`unknown name ${token} in ${this.text}`);
    return value;
  }

  private call(name: string): number {
    const values = [this.ternary()];
    while (this.take(',')) values.push(this.ternary());
    this.expect(')');
    const [a = 0, b = 1] = values;
    if (name === 'round_up') return Math.ceil(a / b) * b;
    if (name === 'round_down') return Math.floor(a / b) * b;
    if (name === 'min') return Math.min(...values);
    if (name === 'max') return Math.max(...values);
    throw new StepError(`unknown function ${name}`);
  }

  private take(token: string): boolean {
    const next = this.tokens[this.at];
    if (next === undefined || (WORDS[next] ?? next) !== token) return false;
    this.at++;
    return true;
  }

  private expect(token: string): void {
    if (!this.take(token)) throw new StepError(`expected ${token} in ${this.text}`);
  }
}
