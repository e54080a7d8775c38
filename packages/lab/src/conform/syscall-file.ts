import type { ConformCase } from './conform-case.js';
import { isArray, isObject, type Json, type JsonObject, listAt, objectAt, textAt } from './json.js';

/** What a file of system calls is read with. */
export interface SyscallFile {
  readonly kernel: string;
  /** Machines by name. */
  readonly machines: JsonObject;
  readonly path: string;
}

/** The cases of a file of system calls; those of other releases are skipped. */
export function syscallCases(
  content: Json,
  { kernel, machines, path }: SyscallFile,
): readonly ConformCase[] {
  return listAt(content, 'cases').map((kase) => {
    const id = textAt(kase, 'id');
    const family = `syscall/${textAt(kase, 'group')}`;
    const reason = whyNot(kase, kernel);
    if (reason !== undefined) return { kind: 'skipped', id, family, reason };
    const name = textAt(kase, 'machine');
    if (!isObject(machines[name])) {
      return { kind: 'skipped', id, family, reason: `no machine ${name} in the header of ${path}` };
    }
    return { kind: 'syscall', id, family, kase, machine: machineOf(machines, name) };
  });
}

/** A machine of the header: `as base` and the like is what the named machine says. */
function machineOf(machines: JsonObject, name: string): JsonObject {
  const given = objectAt(machines, name);
  const base = objectAt(machines, 'base');
  const nodes = isArray(given.nodes) ? given.nodes : (base.nodes ?? []);
  const distance = isArray(given.distance) ? given.distance : (base.distance ?? []);
  return { ...given, name, nodes, distance, movable: movableNodes(textAt(given, 'nodes')) };
}

/** Nodes that the header says are ZONE_MOVABLE, in words. */
function movableNodes(said: string): number[] {
  return [...said.matchAll(/node (\d+) is ZONE_MOVABLE/g)].map(([, id]) => Number(id));
}

function whyNot(kase: Json, kernel: string): string | undefined {
  const from = textAt(kase, 'kernel_min');
  const to = textAt(kase, 'kernel_max');
  if (from !== '' && compareReleases(kernel, from) < 0) return `only from ${from} on`;
  // The last release with the behaviour is given as major.minor: its updates have it as well.
  if (to !== '' && compareReleases(kernel, to, 2) > 0) return `only up to ${to}`;
  return undefined;
}

/** Negative, zero or positive as release `a` is before, at or after `b`. @param parts compared */
export function compareReleases(a: string, b: string, parts = 3): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number));
  for (let at = 0; at < parts; at++) {
    const order = (left?.[at] ?? 0) - (right?.[at] ?? 0);
    if (order !== 0) return order;
  }
  return 0;
}
