import { type MachineConfig, ZONE_MOVABLE } from '@mm-lab/mm-core';
import { isObject, type Json, listAt, numberAt, textAt } from './json.js';

/** So many pages more or less were kept by boots whose initrd had other cases in it. */
const PAGES_APART_MAX = 16;

/** Steps that move no zone's marks: those before any other one show what the boot left. */
const MARKS_STAY = new Set([
  'settle',
  'buddyinfo',
  'memory_blocks',
  'zoneinfo',
  'mmap',
  'mbind',
  'madvise',
  'touch',
  'munmap',
]);

interface Mark {
  readonly managed: number;
  readonly min: number;
}

/**
 * The reserve of the boot that a record comes from, if the record shows it.
 *
 * khugepaged asks for a twentieth of the memory that is free when it starts, the initrd is not, and
 * the recorder puts the cases in it. So families that were recorded by themselves had boots with
 * some pages more than `_topology.json` tells. The first look at the zones of such a record
 * says which boot it was: it is read as a fact about the machine, as `_topology.json` is, and so is
 * no evidence for the marks of the boot. What later steps make of them is.
 */
export function reserveSeenFirst(
  config: MachineConfig,
  kase: Json,
  record: Json,
): number | undefined {
  const told = config.bootMinFreeKbytes ?? 0;
  const seen = marksSeenFirst(kase, record);
  if (told === 0 || seen.length === 0) return undefined;
  const lowmem = lowmemOf(config);
  const fits = (kbytes: number): boolean => {
    return seen.every(({ managed, min }) => min === Math.floor(((kbytes >> 2) * managed) / lowmem));
  };
  for (let apart = 0; apart <= PAGES_APART_MAX; apart++) {
    const near = [told + 4 * apart, told - 4 * apart].find(fits);
    if (near !== undefined) return near;
  }
  return undefined;
}

function marksSeenFirst(kase: Json, record: Json): readonly Mark[] {
  const steps = listAt(kase, 'steps');
  const answers = listAt(record, 'steps');
  const marks: Mark[] = [];
  for (const [at, step] of steps.entries()) {
    const op = textAt(step, 'op');
    if (!MARKS_STAY.has(op) && !changedNothing(answers[at])) break;
    if (op === 'zoneinfo') marks.push(...marksIn(answers[at]));
  }
  return marks;
}

/** Did a change of a memory block fail? */
function changedNothing(answer: Json | undefined): boolean {
  const result = isObject(answer) ? answer.result : undefined;
  return isObject(result) && result.changed === 0;
}

/** Marks of the zones of low memory: a movable zone's don't depend on the reserve. */
function marksIn(answer: Json | undefined): readonly Mark[] {
  const result = isObject(answer) ? answer.result : undefined;
  const zones = Object.entries(isObject(result) ? result : {});
  return zones
    .filter(([name]) => name !== 'Movable')
    .map(([, zone]) => ({ managed: numberAt(zone, 'managed'), min: numberAt(zone, 'min') }));
}

function lowmemOf(config: MachineConfig): number {
  const zones = config.nodes.flatMap((node) => node.zones ?? []);
  const low = zones.filter(({ type }) => type !== ZONE_MOVABLE);
  return low.reduce((sum, zone) => sum + (zone.managed ?? zone.spanned), 0);
}
