import { ENOENT } from '../abi/errno.js';
import { createToken } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { NOT_ALLOWED, type PseudoFile } from './pseudo-file.js';

/** Finds a file by its name below a folder, or null. */
export type FileFinder = (name: string, task: TaskStruct | null) => PseudoFile | null;

/** Somebody whose state stands in files. */
export interface PseudoFileSource {
  addTo(files: PseudoFiles): void;
}

/**
 * The files of /proc, /sys and the control groups through which a running machine is looked at and
 * tuned. Whoever owns the state adds them (`machine/pseudo-file-sources.ts` lists the owners).
 */
export class PseudoFiles {
  private readonly files = new Map<string, PseudoFile>();
  private readonly folders: { readonly prefix: string; readonly find: FileFinder }[] = [];

  /** Adds a file at an absolute path; a later one at the same path replaces it. */
  add(path: string, file: PseudoFile): void {
    this.files.set(path, file);
  }

  /** Adds a folder whose files come and go. @param find takes the path below the folder */
  addFolder(folder: string, find: FileFinder): void {
    this.folders.push({ prefix: `${folder}/`, find });
  }

  /** What cat(1) prints without its last newline, or -errno: -ENOENT, -EACCES or the file's own. */
  read(path: string, task: TaskStruct | null = null): string | number {
    const file = this.find(path, task);
    if (file === null) return -ENOENT;
    return file.read?.(task) ?? NOT_ALLOWED;
  }

  /**
   * What echo(1) into the file came to: 0, -ENOENT, -EACCES or the file's own. A write of no bytes
   * does nothing (fs/kernfs/file.c, cgroup_file_write).
   */
  write(path: string, text: string, task: TaskStruct | null = null): number {
    const file = this.find(path, task);
    if (file === null) return -ENOENT;
    if (file.write === undefined) return NOT_ALLOWED;
    return text === '' ? 0 : file.write(text, task);
  }

  private find(path: string, task: TaskStruct | null): PseudoFile | null {
    const file = this.files.get(path);
    if (file !== undefined) return file;
    for (const { prefix, find } of this.folders) {
      if (!path.startsWith(prefix)) continue;
      const found = find(path.slice(prefix.length), task);
      if (found !== null) return found;
    }
    return null;
  }
}
export const PseudoFilesToken = createToken<PseudoFiles>('PseudoFiles');
