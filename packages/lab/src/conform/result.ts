import { errnoName } from '@mm-lab/mm-core';
import type { JsonObject } from './json.js';

/** A system call's result as the recorder prints it. @param rc 0 or more, or -errno */
export function returned(rc: number): JsonObject {
  return rc < 0 ? { ret: -1, errno: errnoOf(rc) } : { ret: rc };
}

/** The name of an error number, `E` and the number where the recorder has no name for it. */
export function errnoOf(rc: number): string {
  const name = errnoName(rc);
  return /^\d+$/.test(name) ? `E${name}` : name;
}

/** A step that names a region which its task does not have. */
export const NO_REGION: JsonObject = { error: 'no region' };
