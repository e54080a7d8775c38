import { type Json, listAt, textAt } from './json.js';

/** Collects the cases of a file of records, which stand in the order in which boots ran them. */
export class BootOrder {
  private readonly byMachine = new Map<string, Json[]>();

  /** @returns earlier cases of its boot that used the pool of huge pages, if it uses that too */
  add(kase: Json): readonly Json[] {
    if (!usesPool(kase)) return [];
    const machine = textAt(kase, 'machine');
    const earlier = this.byMachine.get(machine) ?? [];
    this.byMachine.set(machine, [...earlier, kase]);
    return earlier;
  }
}

/** Does the case have to do with the pool of huge pages? */
export function usesPool(kase: Json): boolean {
  return listAt(kase, 'steps').some(
    (step) =>
      textAt(step, 'path').includes('nr_hugepages') || listAt(step, 'flags').includes('hugetlb'),
  );
}
