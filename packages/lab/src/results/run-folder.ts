import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { LabError, messageOf } from '../error/lab-error.js';

/** Where a run's files go: a folder given by the user, or the next free number under `runs/`. */
export type RunTarget =
  | { readonly kind: 'given'; readonly path: string }
  | { readonly kind: 'numbered'; readonly parent: string; readonly stem: string };

const NUMBER_MAX = 100_000;

/**
 * A folder that is written under a temporary name beside the final one and renamed when complete,
 * so that nothing half-written ever has the final name.
 */
export class RunFolder {
  /** Topmost folder above it that did not exist before. */
  private madeParent: string | undefined;

  private constructor(
    private readonly target: RunTarget,
    private readonly temporary: string,
  ) {}

  /**
   * Makes the temporary folder, before any work is done: a run that cannot be stored fails at once.
   *
   * @throws LabError OUTPUT_EXISTS, OUTPUT_UNWRITABLE, OUTPUT_DISK_FULL
   */
  static create(target: RunTarget): RunFolder {
    const final = target.kind === 'given' ? resolve(target.path) : join(target.parent, target.stem);
    if (target.kind === 'given') refuseUsed(final);
    const temporary = join(dirname(final), `.${basename(final)}.${process.pid}.tmp`);
    const folder = new RunFolder(target, temporary);
    guarded(final, () => {
      folder.madeParent = mkdirSync(dirname(final), { recursive: true });
      rmSync(temporary, { recursive: true, force: true });
      mkdirSync(temporary);
    });
    return folder;
  }

  /** @throws LabError OUTPUT_UNWRITABLE, OUTPUT_DISK_FULL */
  write(name: string, content: string): void {
    const path = join(this.temporary, name);
    guarded(path, () => writeFileSync(path, content));
  }

  /**
   * Gives the folder its final name.
   *
   * @returns the final path
   * @throws LabError OUTPUT_EXISTS if somebody else took the name meanwhile
   */
  commit(): string {
    if (this.target.kind === 'given') {
      const final = resolve(this.target.path);
      refuseUsed(final);
      guarded(final, () => renameSync(this.temporary, final));
      return final;
    }
    const { parent, stem } = this.target;
    for (let number = 1; number <= NUMBER_MAX; number++) {
      const final = join(parent, `${stem}-${number}`);
      if (existsSync(final)) continue;
      guarded(final, () => renameSync(this.temporary, final));
      return final;
    }
    throw new LabError('OUTPUT_EXISTS', `${parent} has ${NUMBER_MAX} runs called ${stem}`);
  }

  /** Removes what was written, and folders made for it; does nothing after `commit`. */
  discard(): void {
    rmSync(this.temporary, { recursive: true, force: true });
    if (this.madeParent === undefined) return;
    for (let folder = dirname(this.temporary); ; folder = dirname(folder)) {
      if (!removedEmpty(folder) || folder === this.madeParent) return;
    }
  }
}

/** Replaces a file of a finished folder in one step. @throws LabError as `RunFolder.write` */
export function replaceFile(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    guarded(path, () => {
      writeFileSync(temporary, content);
      renameSync(temporary, path);
    });
  } finally {
    rmSync(temporary, { force: true });
  }
}

function removedEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    // Somebody put something there: it stays.
    return false;
  }
}

/** An empty folder may be replaced; anything else is somebody's. */
function refuseUsed(final: string): void {
  if (!existsSync(final)) return;
  let entries: readonly string[];
  try {
    entries = readdirSync(final);
  } catch (error) {
    throw new LabError('OUTPUT_EXISTS', messageOf(error));
  }
  if (entries.length > 0) throw new LabError('OUTPUT_EXISTS', `${final} is not empty`);
}

function guarded(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw outputError(path, error);
  }
}

function outputError(path: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new LabError('OUTPUT_DISK_FULL', `no room left for ${path}`, { cause: error });
  }
  if (code === 'ENOTEMPTY' || code === 'EEXIST') {
    return new LabError('OUTPUT_EXISTS', `${path} is already there`, { cause: error });
  }
  if (code === '') return error;
  return new LabError('OUTPUT_UNWRITABLE', `${path}: ${messageOf(error)}`, { cause: error });
}
