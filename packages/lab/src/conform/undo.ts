import type { Machine } from '@mm-lab/mm-core';

/** Writes that are put back, as the recorder's own table of them. */
const WRITES_MAX = 64;
/** Files that do something once instead of holding a value. */
const NO_VALUE = /^\/sys\/fs\/cgroup|drop_caches|compact|\/state/;

/** What the recorder puts back after a case, the last first. */
export class Undo {
  private readonly writes: { readonly path: string; readonly old: string }[] = [];
  /** Control groups that the case made. */
  readonly groups: string[] = [];

  /** A file is written next. @param text what it says, or -errno */
  note(path: string, text: string | number): void {
    if (typeof text === 'number' || text === '' || NO_VALUE.test(path)) return;
    if (this.writes.length === WRITES_MAX) return;
    // Of a list of choices the chosen one.
    this.writes.push({ path, old: /\[(.*?)\]/.exec(text)?.[1] ?? text });
  }

  run(machine: Machine): void {
    for (const { path, old } of this.writes.toReversed())
      machine.pseudoFiles.write(path, old, null);
    for (const group of this.groups.toReversed()) machine.cgroups.rmdir(group);
  }
}
