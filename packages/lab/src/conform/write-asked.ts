import { writeFileSync } from 'node:fs';
import { LabError, messageOf } from '../error/lab-error.js';

/** Writes the file that an option names. @throws LabError OUTPUT_UNWRITABLE */
export function writeAsked(option: string, path: string, content: string): void {
  try {
    writeFileSync(path, content);
  } catch (cause) {
    const hint = `give ${option} a file that this user may write, on a disk with room`;
    throw new LabError('OUTPUT_UNWRITABLE', `${path}: ${messageOf(cause)}`, { hint, cause });
  }
}
