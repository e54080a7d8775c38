import { MmError } from './errors.js';

/** Smallest and largest value, both included. */
export type Range = readonly [min: number, max: number];

/** Range of a seed. */
export const SEEDS: Range = [-(2 ** 31), 2 ** 32 - 1];

/** Says what is wrong with an option of a plugin, in one way. */
export class OptionCheck {
  constructor(private readonly plugin: string) {}

  /** @throws MmError DEVICE_BAD_OPTION; as the other checks do */
  that(condition: boolean, detail: string): void {
    if (!condition) this.fail(detail);
  }

  /** @throws MmError DEVICE_BAD_OPTION, in any case */
  fail(detail: string): never {
    throw new MmError('DEVICE_BAD_OPTION', { plugin: this.plugin, detail });
  }

  number(option: string, value: number, [min, max]: Range): void {
    const isFine = Number.isFinite(value) && value >= min && value <= max;
    this.that(isFine, `${option} is ${value}, not in ${min}..${max}`);
  }

  /** The same for a time or size that may be without end. */
  numberOrInfinity(option: string, value: number, range: Range): void {
    if (value !== Infinity) this.number(option, value, range);
  }

  /** One of a few words. */
  word(option: string, value: string, words: readonly string[]): void {
    this.that(words.includes(value), `${option} is '${value}', none of ${words.join(', ')}`);
  }

  /** No option has a name that nobody knows: a misspelt one would change nothing, in silence. */
  known(options: object, names: readonly string[]): void {
    const other = Object.keys(options).find((name) => !names.includes(name));
    this.that(other === undefined, `there is no option ${other}; known are ${names.join(', ')}`);
  }

  share(option: string, value: number): void {
    this.number(option, value, [0, 1]);
  }

  integer(option: string, value: number, range: Range): void {
    this.that(Number.isInteger(value), `${option} is ${value}, not a whole number`);
    this.number(option, value, range);
  }

  powerOfTwo(option: string, value: number, range: Range): void {
    this.integer(option, value, range);
    this.that(Number.isInteger(Math.log2(value)), `${option} is ${value}, not a power of two`);
  }
}
