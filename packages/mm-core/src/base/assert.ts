/**
 * Assertions for bugs of ours. They are always on; a user's mistake is an `MmError` instead.
 *
 * @param condition what must be true
 * @param message the broken invariant, as a sentence
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/**
 * An invariant of the model does not hold: a bug in mm-lab or in a plugin, never a user's mistake.
 */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** A value that the types call possible and the invariants don't. */
export function defined<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new AssertionError(message);
  return value;
}
