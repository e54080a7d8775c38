/** Media Operations (CXL 3.1, 8.2.9.9.5): opcode, and class and subclass of its zero operation. */
export const CXL_MBOX_OP_MEDIA_OPERATION = 0x4402;
export const MEDIA_OPERATION_CLASS_SANITIZE = 1;
export const MEDIA_OPERATION_SUBCLASS_ZERO = 1;

const HEADER_BYTES = 8;
const RANGE_BYTES = 16;

/** A range of the medium by its device physical address, in bytes. */
export interface DpaRange {
  readonly dpa: number;
  readonly bytes: number;
}

/**
 * A mailbox command with its payload: a header of 8 bytes and 16 for each range. Simplified: the
 * model passes the fields, not the bytes.
 */
export interface MediaOperation {
  readonly opcode: number;
  readonly mediaClass: number;
  readonly subclass: number;
  readonly ranges: readonly DpaRange[];
}

/** The command that zeroes ranges; without any it only asks whether the device knows it. */
export function mediaZero(ranges: readonly DpaRange[]): MediaOperation {
  return {
    opcode: CXL_MBOX_OP_MEDIA_OPERATION,
    mediaClass: MEDIA_OPERATION_CLASS_SANITIZE,
    subclass: MEDIA_OPERATION_SUBCLASS_ZERO,
    ranges,
  };
}

/** Size of its payload in bytes. */
export function payloadBytesOf({ ranges }: MediaOperation): number {
  return HEADER_BYTES + RANGE_BYTES * ranges.length;
}

/** Ranges that a payload has room for; at least one (RFC v4 patch 27). */
export function rangesIn(payloadBytes: number): number {
  return Math.max(1, Math.floor((payloadBytes - HEADER_BYTES) / RANGE_BYTES));
}

/** Is it the zero operation? */
export function isMediaZero({ opcode, mediaClass, subclass }: MediaOperation): boolean {
  if (opcode !== CXL_MBOX_OP_MEDIA_OPERATION) return false;
  return (
    mediaClass === MEDIA_OPERATION_CLASS_SANITIZE && subclass === MEDIA_OPERATION_SUBCLASS_ZERO
  );
}
