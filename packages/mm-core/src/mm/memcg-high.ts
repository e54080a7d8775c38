import { MEMCG_CHARGE_BATCH, type MemCgroup } from '../mem/memcg.js';

/** Bits behind the point of an overage, and by which its square is scaled down. */
const PRECISION = 2 ** 20;
const SCALING = 2 ** 14;
/** Timer ticks in a second of the recorded kernels, and the longest delay in ticks. */
const HZ = 250;
const DELAY_MAX = 2 * HZ;

/**
 * How long a charger of so many pages would have to sleep for being above memory.high, in ticks; 0
 * when it is too short to bother (mm/memcontrol.c:calculate_high_delay).
 */
export function highPenalty(memcg: MemCgroup, pages: number): number {
  let overage = 0;
  for (let at: MemCgroup | null = memcg; at !== null && at.parent !== null; at = at.parent) {
    const { usage, high } = at.memory;
    if (usage <= high) continue;
    overage = Math.max(overage, Math.floor(((usage - high) * PRECISION) / Math.max(1, high)));
  }
  const curve = Math.floor((overage * overage * HZ) / PRECISION / SCALING);
  const delay = Math.min(DELAY_MAX, Math.floor((curve * pages) / MEMCG_CHARGE_BATCH));
  return delay <= HZ / 100 ? 0 : delay;
}
