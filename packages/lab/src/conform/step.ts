import { isArray, isObject, type Json, type JsonObject } from './json.js';

/** A step that can't be done as it is written, or that the model has no answer to. */
export class StepError extends Error {
  override readonly name = 'StepError';
}

/** A call of a step goes on until its task is killed. */
export class Endless extends Error {
  override readonly name = 'Endless';
}

/** A step of a case, read as the recorder reads it: missing fields have defaults. */
export class Step {
  readonly op: string;

  constructor(private readonly fields: JsonObject) {
    this.op = this.text('op', '');
  }

  has(key: string): boolean {
    return this.fields[key] !== undefined;
  }

  get(key: string): Json | undefined {
    return this.fields[key];
  }

  keys(): readonly string[] {
    return Object.keys(this.fields);
  }

  /** A number or a truth value; anything else is the default. */
  int(key: string, otherwise: number): number {
    const value = this.fields[key];
    if (typeof value === 'boolean') return value ? 1 : 0;
    return typeof value === 'number' ? value : otherwise;
  }

  text(key: string, otherwise: string): string {
    const value = this.fields[key];
    return typeof value === 'string' ? value : otherwise;
  }

  list(key: string): readonly Json[] {
    const value = this.fields[key];
    return isArray(value) ? value : [];
  }

  numbers(key: string): readonly number[] {
    return this.list(key).filter((item) => typeof item === 'number');
  }

  texts(key: string): readonly string[] {
    return this.list(key).filter((item) => typeof item === 'string');
  }

  /** The members of a list that are steps themselves, or numbers. */
  items(key: string): readonly (Step | number)[] {
    const items: (Step | number)[] = [];
    for (const item of this.list(key)) {
      if (typeof item === 'number') items.push(item);
      else if (isObject(item)) items.push(new Step(item));
    }
    return items;
  }
}
