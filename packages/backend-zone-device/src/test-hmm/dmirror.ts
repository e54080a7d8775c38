import {
  DeviceMirror,
  EINVAL,
  ENOMEM,
  GFP_HIGHUSER_MOVABLE,
  HMM_PFN_ERROR,
  HMM_PFN_VALID,
  HMM_PFN_WRITE,
  HMM_ZERO_PFN,
  type HmmRange,
  type MirrorResult,
  type MmStruct,
  PMD_ORDER,
  PTRS_PER_PTE,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  VM_READ,
  type VmFault,
} from '@mm-lab/mm-core';
import { type MigrateVmaArgs, migrateVmaArgs, vmaOf } from '../migrate-args.js';
import {
  isCompound,
  MIGRATE_PFN_COMPOUND,
  MIGRATE_PFN_MIGRATE,
  MIGRATE_PFN_VALID,
  MIGRATE_PFN_WRITE,
  MIGRATE_VMA_SELECT_COMPOUND,
  MIGRATE_VMA_SELECT_DEVICE_COHERENT,
  MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
  MIGRATE_VMA_SELECT_SYSTEM,
  migratePfn,
  migratePfnToPage,
} from '../migrate-pfn.js';
import type { DmirrorDevice } from './dmirror-device.js';
import type { DmirrorParts } from './dmirror-parts.js';

/** What a snapshot says of a page (lib/test_hmm_uapi.h). */
export const HMM_DMIRROR_PROT_ERROR = 0xff;
export const HMM_DMIRROR_PROT_READ = 0x01;
export const HMM_DMIRROR_PROT_WRITE = 0x02;
export const HMM_DMIRROR_PROT_PMD = 0x04;
export const HMM_DMIRROR_PROT_ZERO = 0x10;
export const HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL = 0x20;
export const HMM_DMIRROR_PROT_DEV_PRIVATE_REMOTE = 0x30;
export const HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL = 0x40;
export const HMM_DMIRROR_PROT_DEV_COHERENT_REMOTE = 0x50;
/** The next allocation of a destination fails. */
export const HMM_DMIRROR_FLAG_FAIL_ALLOC = 1;

/**
 * An open handle of the HMM test device (lib/test_hmm.c:struct dmirror): mirrors the address space
 * of who opened it, and moves its pages to the device and back. Ranges are virtual page numbers.
 */
export class Dmirror {
  readonly mirror: DeviceMirror;
  /** HMM_DMIRROR_FLAG_*. */
  flags = 0;

  constructor(
    private readonly parts: DmirrorParts,
    readonly device: DmirrorDevice,
    readonly mm: MmStruct,
  ) {
    this.mirror = new DeviceMirror(parts.mirror, mm, device);
  }

  /** The last descriptor is closed: the whole device is emptied (dmirror_fops_release). */
  close(): void {
    this.mirror.close();
    this.device.evict();
  }

  /** HMM_DMIRROR_MIGRATE_TO_DEV: moves, then reads back what the device can reach. */
  migrateToDevice(start: number, end: number): MirrorResult {
    const flags = MIGRATE_VMA_SELECT_SYSTEM | MIGRATE_VMA_SELECT_COMPOUND;
    const rc = this.eachWindow(start, end, flags, (args) => {
      this.allocAndCopy(args);
      this.parts.migrateVma.pages(args);
      this.finalizeAndMap(args);
      this.parts.migrateVma.finalize(args);
      return 0;
    });
    return rc < 0 ? nothing(rc) : this.mirror.readMapped(start, end);
  }

  /** HMM_DMIRROR_MIGRATE_TO_SYS; pages = source entries that moved, a huge one counts once. */
  migrateToSystem(start: number, end: number): MirrorResult {
    const flags = this.selectDevice() | MIGRATE_VMA_SELECT_COMPOUND;
    let moved = 0;
    const rc = this.eachWindow(start, end, flags, (args) => {
      if (this.faultAllocAndCopy(args) !== 0) {
        this.parts.migrateVma.finalize(args);
        return -ENOMEM;
      }
      this.parts.migrateVma.pages(args);
      const both = MIGRATE_PFN_VALID | MIGRATE_PFN_MIGRATE;
      moved += args.src.filter((entry) => (entry & both) === both).length;
      this.parts.migrateVma.finalize(args);
      return 0;
    });
    return rc < 0 ? nothing(rc) : { rc: 0, pages: moved, faults: 0, keys: [] };
  }

  /** HMM_DMIRROR_SNAPSHOT: a byte for each page. @returns the bytes or -errno */
  snapshot(start: number, end: number): number[] | number {
    const bytes: number[] = [];
    const rc = this.mirror.snapshot(start, end, (range, at) => bytes.push(this.protOf(range, at)));
    return rc < 0 ? rc : bytes;
  }

  /** dev_pagemap_ops.migrate_to_ram: the whole folio if a PMD maps it, else the page. */
  migrateToRam(vmf: VmFault, page: number): number {
    const isHuge = this.parts.ptes.isHuge(vmf.slot);
    const start = isHuge ? vmf.vpn - (vmf.vpn % PTRS_PER_PTE) : vmf.vpn;
    const args = migrateVmaArgs({
      mm: this.parts.mms.get(vmf.mmId),
      start,
      end: start + (isHuge ? PTRS_PER_PTE : 1),
      owner: this.device,
      flags: this.selectDevice() | (isHuge ? MIGRATE_VMA_SELECT_COMPOUND : 0),
      faultPage: page,
    });
    if (this.parts.migrateVma.setup(args) < 0) return VM_FAULT_SIGBUS;
    const result = this.faultAllocAndCopy(args);
    if (result === 0) this.parts.migrateVma.pages(args);
    this.parts.migrateVma.finalize(args);
    return result;
  }

  private selectDevice(): number {
    return this.device.isPrivate()
      ? MIGRATE_VMA_SELECT_DEVICE_PRIVATE
      : MIGRATE_VMA_SELECT_DEVICE_COHERENT;
  }

  /** Windows of 512 pages, each inside one readable area. @returns 0 or -errno */
  private eachWindow(
    start: number,
    end: number,
    flags: number,
    carry: (args: MigrateVmaArgs) => number,
  ): number {
    if (this.mirror.released) return -EINVAL;
    for (let from = start; from < end; ) {
      const vma = this.mm.find(from);
      if (vma === null || (vma.flags & VM_READ) === 0) return -EINVAL;
      const to = Math.min(end, from + PTRS_PER_PTE, vma.end);
      const args = migrateVmaArgs({ mm: this.mm, start: from, end: to, owner: this.device, flags });
      const rc = this.parts.migrateVma.setup(args);
      if (rc < 0) return rc;
      const carried = carry(args);
      if (carried < 0) return carried;
      from = to;
    }
    return 0;
  }

  /** dmirror_migrate_alloc_and_copy: a huge source that finds no huge page goes in base pages. */
  private allocAndCopy(args: MigrateVmaArgs): void {
    for (let at = 0; at < args.src.length; ) {
      const entry = args.src[at]!;
      if ((entry & MIGRATE_PFN_MIGRATE) === 0) {
        at++;
        continue;
      }
      const pages = isCompound(entry) ? PTRS_PER_PTE : 1;
      const source = migratePfnToPage(entry);
      const dpage = this.takeFailure() ? -1 : this.device.alloc(this, pages > 1 ? PMD_ORDER : 0);
      if (dpage >= 0) {
        const flags = (entry & MIGRATE_PFN_WRITE) + (pages > 1 ? MIGRATE_PFN_COMPOUND : 0);
        args.dst[at] = migratePfn(dpage) + flags;
        for (let i = 0; i < pages; i++) this.fill(dpage + i, source < 0 ? -1 : source + i);
        // What could not be copied does not move.
        if (this.device.failCopy('there')) this.withdraw(args.dst, at, 1);
      } else if (pages > 1) {
        this.allocBasePages(args, at, source);
      }
      at += pages;
    }
  }

  private allocBasePages({ src, dst }: MigrateVmaArgs, at: number, source: number): void {
    const write = src[at]! & MIGRATE_PFN_WRITE;
    for (let i = 0; i < PTRS_PER_PTE && at + i < src.length; i++) {
      const dpage = this.device.alloc(this, 0);
      if (dpage < 0) return;
      dst[at + i] = migratePfn(dpage) + write;
      this.fill(dpage, source < 0 ? -1 : source + i);
    }
  }

  private fill(dpage: number, source: number): void {
    if (source < 0) this.parts.contents.zero(dpage);
    else this.parts.deviceCopy.copy(dpage, source);
  }

  /** HMM_DMIRROR_FLAG_FAIL_ALLOC is good for one allocation. */
  private takeFailure(): boolean {
    if ((this.flags & HMM_DMIRROR_FLAG_FAIL_ALLOC) === 0) return false;
    this.flags &= ~HMM_DMIRROR_FLAG_FAIL_ALLOC;
    return true;
  }

  /** What moved goes into the device's page table (dmirror_migrate_finalize_and_map). */
  private finalizeAndMap({ src, dst, start }: MigrateVmaArgs): void {
    src.forEach((entry, at) => {
      const dpage = migratePfnToPage(dst[at]!);
      if ((entry & MIGRATE_PFN_MIGRATE) === 0 || dpage < 0) return;
      const access = (dst[at]! & MIGRATE_PFN_WRITE) !== 0 ? 'write' : 'read';
      const pages = isCompound(dst[at]!) ? PTRS_PER_PTE : 1;
      for (let i = 0; i < pages; i++) this.mirror.set(start + at + i, dpage + i, access);
    });
  }

  /**
   * dmirror_devmem_fault_alloc_and_copy: RAM by the policy of the area, in one piece if it can be.
   * A copy that fails is SIGBUS, as drivers with a copy engine answer.
   * Simplified: the flag that fails an allocation is spent on a coherent base page without effect,
   * as the self-test's coherent variant expects; the kernel answers -ENOMEM there.
   * @returns 0, or VM_FAULT_*: then nothing is to move, and no destination is left
   */
  private faultAllocAndCopy(args: MigrateVmaArgs): number {
    for (let at = 0; at < args.src.length; ) {
      const entry = args.src[at]!;
      const source = migratePfnToPage(entry);
      if (source < 0 || (entry & MIGRATE_PFN_MIGRATE) === 0) {
        at++;
        continue;
      }
      const failed = this.takeBack(args, at, source);
      if (failed !== 0) {
        this.withdraw(args.dst, 0, args.dst.length);
        return failed;
      }
      at += this.parts.table.nrPages(source);
    }
    return 0;
  }

  /** One source: a folio of its order, or base pages. @returns 0 or VM_FAULT_* */
  private takeBack(args: MigrateVmaArgs, at: number, source: number): number {
    const { table } = this.parts;
    const order = table.order[source]!;
    const pages = table.nrPages(source);
    const isFailed = this.takeFailure() && (order > 0 || this.device.isPrivate());
    const target = isFailed ? -1 : this.allocRam(args, at, order);
    if (target < 0 && order === 0) return VM_FAULT_OOM;
    if (target >= 0) {
      const flags = (args.src[at]! & MIGRATE_PFN_WRITE) + (order > 0 ? MIGRATE_PFN_COMPOUND : 0);
      args.dst[at] = migratePfn(target) + flags;
    }
    for (let i = 0; i < pages; i++) {
      const page = target >= 0 ? target + i : this.allocRam(args, at + i, 0);
      if (page < 0) return VM_FAULT_OOM;
      if (target < 0) args.dst[at + i] = migratePfn(page);
      if (!this.copyBack(args, at + i, page, source + i)) return VM_FAULT_SIGBUS;
    }
    return 0;
  }

  /** Destinations that were made already go back. */
  private withdraw(dst: number[], at: number, count: number): void {
    for (let i = at; i < at + count; i++) {
      const page = migratePfnToPage(dst[i]!);
      dst[i] = 0;
      if (page < 0) continue;
      this.parts.folios.unlock(page);
      this.parts.folios.put(page);
    }
  }

  private copyBack({ start }: MigrateVmaArgs, at: number, target: number, source: number): boolean {
    this.mirror.erase(start + at);
    return !this.device.failCopy('back') && this.parts.deviceCopy.copy(target, source);
  }

  /** A locked folio of RAM, or -1. */
  private allocRam(args: MigrateVmaArgs, at: number, order: number): number {
    const { allocMpol, folios, work } = this.parts;
    const page = { mm: args.mm, vma: vmaOf(args), vpn: args.start + at, nid: work.cpuNid };
    const target = allocMpol.vmaAllocFolio(page, order, GFP_HIGHUSER_MOVABLE);
    if (target >= 0) folios.trylock(target);
    return target;
  }

  /** dmirror_mkentry. */
  private protOf({ flags, pfns, orders }: HmmRange, at: number): number {
    const found = flags[at]!;
    if ((found & HMM_PFN_ERROR) !== 0) return HMM_DMIRROR_PROT_ERROR;
    if ((found & HMM_PFN_VALID) === 0) return 0;
    const access = (found & HMM_PFN_WRITE) !== 0 ? HMM_DMIRROR_PROT_WRITE : HMM_DMIRROR_PROT_READ;
    const isPmd = orders[at] === PMD_ORDER;
    // The device knows the zero page, not the huge one.
    const isHugeZero = isPmd && pfns[at] === HMM_ZERO_PFN;
    const kind = isHugeZero ? 0 : this.kindOf(pfns[at]!);
    return kind | access | (isPmd ? HMM_DMIRROR_PROT_PMD : 0);
  }

  private kindOf(pfn: number): number {
    if (pfn === HMM_ZERO_PFN) return HMM_DMIRROR_PROT_ZERO;
    const pgmap = this.parts.memremap.pgmapOf(pfn);
    if (pgmap === null) return 0;
    const isLocal = pgmap.owner === this.device;
    if (pgmap.isPrivate()) {
      return isLocal ? HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL : HMM_DMIRROR_PROT_DEV_PRIVATE_REMOTE;
    }
    return isLocal ? HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL : HMM_DMIRROR_PROT_DEV_COHERENT_REMOTE;
  }
}

function nothing(rc: number): MirrorResult {
  return { rc, pages: 0, faults: 0, keys: [] };
}
