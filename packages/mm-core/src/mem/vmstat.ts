import { VMSTAT_NAMES, type VmstatName } from '../abi/vmstat.js';
import { createToken } from '../base/di.js';

/** Event counters by kernel name (/proc/vmstat). Look an index up once, count with it. */
export class Vmstat {
  private readonly counts = new Float64Array(VMSTAT_NAMES.length);

  /** Index of a counter. */
  static index(name: VmstatName): number {
    return VMSTAT_NAMES.indexOf(name);
  }

  add(index: number, by: number): void {
    this.counts[index]! += by;
  }

  count(name: VmstatName, by = 1): void {
    this.counts[Vmstat.index(name)]! += by;
  }

  clear(index: number): void {
    this.counts[index] = 0;
  }

  read(name: VmstatName): number {
    return this.counts[Vmstat.index(name)] ?? 0;
  }

  /** Every counter, in the order of /proc/vmstat. */
  report(): Record<VmstatName, number> {
    const entries = VMSTAT_NAMES.map((name, at) => [name, this.counts[at] ?? 0] as const);
    return Object.fromEntries(entries) as Record<VmstatName, number>;
  }
}
export const VmstatToken = createToken<Vmstat>('Vmstat');
