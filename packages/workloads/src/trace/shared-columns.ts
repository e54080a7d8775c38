/** An Int32Array in shared memory, zero-filled or a copy of `from`. */
export function sharedInt32(source: number | Int32Array): Int32Array {
  if (typeof source === 'number') return new Int32Array(new SharedArrayBuffer(source * 4));
  const copy = sharedInt32(source.length);
  copy.set(source);
  return copy;
}

/** A Float64Array in shared memory, zero-filled or a copy of the source. */
export function sharedFloat64(source: number | Float64Array | readonly number[]): Float64Array {
  if (typeof source === 'number') return new Float64Array(new SharedArrayBuffer(source * 8));
  const copy = sharedFloat64(source.length);
  copy.set(source);
  return copy;
}

/** A Uint8Array in shared memory, zero-filled or a copy of the source. */
export function sharedUint8(source: number | Uint8Array): Uint8Array {
  if (typeof source === 'number') return new Uint8Array(new SharedArrayBuffer(source));
  const copy = sharedUint8(source.length);
  copy.set(source);
  return copy;
}
