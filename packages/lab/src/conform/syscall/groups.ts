import type { GuestTask } from '../guest.js';
import type { Json } from '../json.js';
import type { CaseWorld } from './case-world.js';

const FOLDER = '/sys/fs/cgroup';

/** Writes a file of the whole machine as its superuser. @returns 0 or -errno */
export function writeFile({ machine }: CaseWorld, path: string, value: string): number {
  const rc = machine.pseudoFiles.write(path, value, null);
  machine.spend();
  return rc;
}

/** Makes a group unless it is there. */
export function createGroup({ machine }: CaseWorld, name: string): void {
  if (machine.cgroups.find(name) === null) machine.cgroups.mkdir(name);
}

/** @returns 0 or -errno */
export function writeGroupFile(
  world: CaseWorld,
  group: string,
  file: string,
  value: string,
): number {
  return writeFile(world, `${FOLDER}/${group}/${file}`, value);
}

/** Moves a process into a group. @returns 0 or -errno */
export function attach(world: CaseWorld, task: GuestTask, group: string): number {
  return writeGroupFile(world, group, 'cgroup.procs', String(task.task.struct.pid));
}

/** A file of a group, or the number behind a key in it. @param file `group/file` */
export function readGroupFile({ machine }: CaseWorld, file: string, key: string | undefined): Json {
  const text = machine.pseudoFiles.read(`${FOLDER}/${file}`);
  if (typeof text === 'number') return text;
  if (key === undefined) return /^-?\d+$/.test(text) ? Number(text) : text;
  const line = text.split('\n').find((one) => one.startsWith(`${key} `));
  return line === undefined ? null : Number(line.slice(key.length + 1));
}
