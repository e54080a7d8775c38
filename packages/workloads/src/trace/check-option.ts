import { TraceError } from './trace-error.js';

/** A number to check, with the name that the caller knows. */
export interface CountOption {
  readonly name: string;
  readonly value: number;
  /** Smallest value allowed, default 1. */
  readonly min?: number;
  readonly max: number;
}

/**
 * The value, if it is a whole number within its bounds.
 *
 * @throws TraceError TRACE_BAD_OPTION otherwise
 */
export function checkCount({ name, value, min = 1, max }: CountOption): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new TraceError('TRACE_BAD_OPTION', {
    what: `${name} is ${value}`,
    hint: `give a whole number from ${min} to ${max}`,
  });
}

/** A real number to check, with the name that the caller knows. */
export interface RangeOption {
  readonly name: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

/**
 * The value, if it is a number within its bounds.
 *
 * @throws TraceError TRACE_BAD_OPTION otherwise
 */
export function checkRange({ name, value, min, max }: RangeOption): number {
  if (value >= min && value <= max) return value;
  throw new TraceError('TRACE_BAD_OPTION', {
    what: `${name} is ${value}`,
    hint: `give a number from ${min} to ${max}`,
  });
}
