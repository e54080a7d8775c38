import { GFP_HIGHUSER_MOVABLE, VM_FAULT_OOM, VM_FAULT_SIGBUS, type VmFault } from '@mm-lab/mm-core';
import type { DevPagemap } from '../dev-pagemap.js';
import { migrateVmaArgs } from '../migrate-args.js';
import {
  MIGRATE_PFN_MIGRATE,
  MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
  migratePfn,
  migratePfnToPage,
} from '../migrate-pfn.js';
import type { DriverCounts } from './driver-counts.js';
import type { DriverParts } from './driver-parts.js';

/**
 * The CPU touched a page on the device (dev_pagemap_ops.migrate_to_ram): that page alone moves
 * back, read or written, and the access is tried again.
 *
 * Charged: the trap, the migration, what the device takes to yield the page. No TLB flush, as
 * nothing was mapped.
 *
 * @returns 0, moved or not; VM_FAULT_OOM if there is no RAM, which means that somebody was killed
 */
export function migrateToRam(
  parts: DriverParts,
  pgmap: DevPagemap,
  counts: DriverCounts,
  vmf: VmFault,
): number {
  counts.faults += 1;
  parts.work.charge(parts.cost.ns.trap);
  const mm = parts.mms.get(vmf.mmId);
  const vma = mm.find(vmf.vpn);
  if (vma === null) return VM_FAULT_SIGBUS;
  const args = migrateVmaArgs({
    mm,
    start: vmf.vpn,
    end: vmf.vpn + 1,
    owner: pgmap.owner,
    flags: MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
    faultPage: vmf.value,
  });
  const rc = parts.migrateVma.setup(args);
  if (rc < 0) return VM_FAULT_SIGBUS;
  const page = migratePfnToPage(args.src[0]!);
  if (page < 0) return 0;
  const { nid, nodemask, gfp } = parts.mempolicy.choose(mm, vma, vmf.vpn, vmf.nid);
  const request = { gfp: GFP_HIGHUSER_MOVABLE | gfp, order: 0, nid, nodemask };
  const ram = parts.pageAlloc.alloc(request);
  if (ram < 0) {
    counts.faultsOom += 1;
    parts.migrateVma.finalize(args);
    return VM_FAULT_OOM;
  }
  parts.folios.trylock(ram);
  parts.deviceCopy.copy(ram, page);
  args.dst[0] = migratePfn(ram);
  parts.migrateVma.pages(args);
  if ((args.src[0]! & MIGRATE_PFN_MIGRATE) !== 0) counts.promoted += 1;
  else counts.droppedOut += 1;
  parts.migrateVma.finalize(args);
  return 0;
}
