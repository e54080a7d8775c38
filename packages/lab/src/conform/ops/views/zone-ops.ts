import { WMARK_HIGH, WMARK_LOW, WMARK_MIN, WMARK_PROMO, type Zone } from '@mm-lab/mm-core';
import type { Guest } from '../../guest.js';
import type { Json, JsonObject } from '../../json.js';
import type { Step } from '../../step.js';
import type { MachineOp } from '../op.js';

/** Marks and sizes of the zones of a node that have memory (/proc/zoneinfo). */
export const zoneinfoOp: MachineOp = {
  acts: 'machine',
  fields: ['node'],
  run: (step, guest) => {
    const zones = zonesOf(step, guest).filter((zone) => zone.managedPages > 0);
    return Object.fromEntries(zones.map((zone) => [zone.name, zoneJson(zone)]));
  },
};

/** Free blocks by order (/proc/buddyinfo). */
export const buddyinfoOp: MachineOp = {
  acts: 'machine',
  fields: ['node'],
  run: (step, guest) => {
    const zones = zonesOf(step, guest).filter((zone) => zone.presentPages > 0);
    const free: [string, Json][] = zones.map((zone) => [zone.name, [...zone.freeBlocks]]);
    return Object.fromEntries(free);
  },
};

function zonesOf(step: Step, { machine }: Guest): readonly Zone[] {
  const nid = step.int('node', 0);
  return machine.nodes.exists(nid) ? machine.nodes.pgdat(nid).zones : [];
}

function zoneJson(zone: Zone): JsonObject {
  return {
    free: zone.freePages,
    boost: zone.watermarkBoost,
    min: zone.watermark[WMARK_MIN] ?? 0,
    low: zone.watermark[WMARK_LOW] ?? 0,
    high: zone.watermark[WMARK_HIGH] ?? 0,
    promo: zone.watermark[WMARK_PROMO] ?? 0,
    spanned: zone.spannedPages,
    present: zone.presentPages,
    managed: zone.managedPages,
    protection: `(${zone.lowmemReserve.join(', ')})`,
    start_pfn: zone.base,
    pcp_count: zone.pcpPages,
    pcp_batch: zone.pageset.batch,
  };
}
