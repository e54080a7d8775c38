import { type Json, listAt, textAt } from './json.js';

/** Collects the cases of a file of records, which stand in the order in which boots ran them. */
export class BootOrder {
  private readonly byMachine = new Map<string, Json[]>();

  /**
   * @returns earlier cases of its boot that left something behind that it has to do with; if none
   * did, the one before it, whose freed pages are still on the lists of their CPU
   */
  add(kase: Json): readonly Json[] {
    const machine = textAt(kase, 'machine');
    const earlier = this.byMachine.get(machine) ?? [];
    this.byMachine.set(machine, [...earlier, kase]);
    const left = earlier.filter(
      (before) =>
        (usesPool(before) && usesPool(kase)) || (setsCompaction(before) && compacts(kase)),
    );
    return left.length > 0 ? left : earlier.slice(-1);
  }
}

/** Does the case have to do with the pool of huge pages? */
export function usesPool(kase: Json): boolean {
  return listAt(kase, 'steps').some(
    (step) =>
      textAt(step, 'path').includes('nr_hugepages') || listAt(step, 'flags').includes('hugetlb'),
  );
}

/** compact_unevictable_allowed and such: the recorder leaves them as they are. */
function setsCompaction(kase: Json): boolean {
  return listAt(kase, 'steps').some(
    (step) =>
      textAt(step, 'op') === 'sys_write' &&
      /^\/proc\/sys\/vm\/compact(?!_memory)/.test(textAt(step, 'path')),
  );
}

function compacts(kase: Json): boolean {
  return listAt(kase, 'steps').some((step) => textAt(step, 'path').includes('compact'));
}
