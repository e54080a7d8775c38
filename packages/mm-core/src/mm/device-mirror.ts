import { EBUSY, EFAULT, EINVAL, ENOENT, EPERM } from '../abi/errno.js';
import type { Services } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import type { MmStruct } from '../mem/vma.js';
import { type DeviceExclusive, DeviceExclusiveToken } from './device-exclusive.js';
import { type Dma, DmaToken } from './dma.js';
import { type Folios, FoliosToken } from './folio.js';
import {
  type FaultHelper,
  HMM_PFN_REQ_FAULT,
  HMM_PFN_REQ_WRITE,
  HMM_PFN_WRITE,
  HMM_ZERO_PFN,
  type Hmm,
  type HmmRange,
  HmmToken,
  hmmRange,
} from './hmm.js';
import {
  MMU_NOTIFY_MIGRATE,
  MMU_NOTIFY_RELEASE,
  MmuIntervalNotifier,
  type MmuNotifierRange,
  type MmuNotifiers,
  MmuNotifiersToken,
} from './mmu-notifier.js';

/** How a device may use a page that it has mapped. */
export type MirrorAccess = 'read' | 'write' | 'atomic';

/** A page in the page table of a device. */
interface MirrorEntry {
  readonly pfn: number;
  readonly access: MirrorAccess;
}

/** What a device did with a range. */
export interface MirrorResult {
  /** 0 or -errno. */
  readonly rc: number;
  /** Pages done. */
  readonly pages: number;
  /** Range faults that it took. */
  readonly faults: number;
  /** Names of the bytes that were read. */
  readonly keys: readonly number[];
}

/** Pages of one range fault; also the width of a look at a range. */
const WINDOW = 32;
/** Times that an invalidated range is tried again. */
const RETRIES_MAX = 1000;

/** What every mirror uses. */
export interface MirrorParts {
  readonly table: FolioTable;
  readonly folios: Folios;
  readonly hmm: Hmm;
  readonly notifiers: MmuNotifiers;
  readonly exclusive: DeviceExclusive;
  readonly dma: Dma;
}

export function mirrorParts(services: Services): MirrorParts {
  return {
    table: services.get(FolioTableToken),
    folios: services.get(FoliosToken),
    hmm: services.get(HmmToken),
    notifiers: services.get(MmuNotifiersToken),
    exclusive: services.get(DeviceExclusiveToken),
    dma: services.get(DmaToken),
  };
}

/**
 * A device's page table over an address space: a library for drivers, as drm_gpusvm is one (its
 * smallest use in the kernel is lib/test_hmm.c). Filled by range faults and by what the driver maps
 * itself, emptied by the notifier.
 */
export class DeviceMirror {
  private readonly pt = new Map<number, MirrorEntry>();
  private readonly notifier: MmuIntervalNotifier;
  /** Is the address space gone? */
  released = false;

  /**
   * @param owner whose device memory the device reaches without a fault; its own migrations leave
   *   the page table alone
   */
  constructor(
    private readonly parts: MirrorParts,
    readonly mm: MmStruct,
    readonly owner: object,
  ) {
    const end = Number.MAX_SAFE_INTEGER;
    this.notifier = new MmuIntervalNotifier(mm.id, 0, end, (range) => this.invalidate(range));
    parts.notifiers.insert(this.notifier);
  }

  /** The device lets go of the address space. */
  close(): void {
    this.parts.notifiers.remove(this.notifier);
    this.pt.clear();
  }

  /** The driver maps a page that it just moved or made exclusive. */
  set(vpn: number, pfn: number, access: MirrorAccess): void {
    this.pt.set(vpn, { pfn, access });
  }

  erase(vpn: number): void {
    this.pt.delete(vpn);
  }

  /** Reads what is mapped already; -ENOENT at the first page that is not. */
  readMapped(start: number, end: number): MirrorResult {
    const keys: number[] = [];
    for (let vpn = start; vpn < end; vpn++) {
      const entry = this.pt.get(vpn);
      if (entry === undefined) return { rc: -ENOENT, pages: keys.length, faults: 0, keys };
      keys.push(entry.pfn === HMM_ZERO_PFN ? 0 : this.parts.dma.load(entry.pfn));
    }
    return { rc: 0, pages: keys.length, faults: 0, keys };
  }

  /** Reads a range, faulting in what is missing (dmirror_read). */
  read(start: number, end: number, helper: FaultHelper | null = null): MirrorResult {
    const keys: number[] = [];
    let faults = 0;
    for (let at = start; ; ) {
      const part = this.readMapped(at, end);
      keys.push(...part.keys);
      at += part.pages;
      if (part.rc !== -ENOENT) return { rc: part.rc, pages: keys.length, faults, keys };
      const rc = this.fault(at, end, 'read', helper);
      if (rc < 0) return { rc, pages: keys.length, faults, keys };
      faults++;
    }
  }

  /** Writes a range page by page (dmirror_write). @param keyOf names the bytes of each page */
  write(start: number, end: number, keyOf: (vpn: number) => number): MirrorResult {
    let faults = 0;
    for (let at = start; ; ) {
      for (; at < end; at++) {
        const entry = this.pt.get(at);
        if (entry?.access !== 'write') break;
        this.parts.dma.store(entry.pfn, keyOf(at));
      }
      if (at === end) return { rc: 0, pages: end - start, faults, keys: [] };
      const rc = this.fault(at, end, 'write', null);
      if (rc < 0) return { rc, pages: at - start, faults, keys: [] };
      faults++;
    }
  }

  /** Takes pages for the device alone, and reads them back (dmirror_exclusive). */
  makeExclusive(start: number, end: number): MirrorResult {
    if (this.released) return failed(-EINVAL);
    for (let vpn = start; vpn < end; vpn++) {
      const pfn = this.parts.exclusive.make(this.mm, vpn, null);
      if (pfn < 0) return failed(pfn);
      this.set(vpn, pfn, 'atomic');
      const folio = this.parts.table.head(pfn);
      this.parts.folios.unlock(folio);
      this.parts.folios.put(folio);
    }
    return this.readMapped(start, end);
  }

  /** @returns 0, or -EPERM while the device has a page of the range for itself */
  checkExclusive(start: number, end: number): number {
    for (let vpn = start; vpn < end; vpn++) {
      if (this.pt.get(vpn)?.access === 'atomic') return -EPERM;
    }
    return 0;
  }

  /**
   * Looks at a range without faulting (dmirror_snapshot). @param see gets each page's range and
   * index in it @returns 0 or -errno
   */
  snapshot(start: number, end: number, see: (range: HmmRange, at: number) => void): number {
    if (this.released) return -EINVAL;
    for (let from = start; from < end; from += WINDOW) {
      const range = this.range(from, Math.min(end, from + WINDOW), 0);
      const rc = this.parts.hmm.rangeFault(range);
      if (rc < 0) return rc;
      for (let at = 0; at < range.end - range.start; at++) see(range, at);
    }
    return 0;
  }

  private range(start: number, end: number, defaultFlags: number): HmmRange {
    const { mm, notifier, owner } = this;
    const notifierSeq = notifier.readBegin();
    return hmmRange({
      mm,
      start,
      end,
      notifier,
      notifierSeq,
      defaultFlags,
      devPrivateOwner: owner,
    });
  }

  /** Faults a range in and maps it, window by window (dmirror_fault). @returns 0 or -errno */
  private fault(
    start: number,
    end: number,
    access: 'read' | 'write',
    helper: FaultHelper | null,
  ): number {
    if (this.released) return -EFAULT;
    const flags = HMM_PFN_REQ_FAULT | (access === 'write' ? HMM_PFN_REQ_WRITE : 0);
    for (let from = start; from < end; from += WINDOW) {
      const rc = this.faultWindow(from, Math.min(end, from + WINDOW), flags, helper);
      if (rc < 0) return rc;
    }
    return 0;
  }

  private faultWindow(
    start: number,
    end: number,
    flags: number,
    helper: FaultHelper | null,
  ): number {
    for (let attempt = 0; attempt < RETRIES_MAX; attempt++) {
      const range = this.range(start, end, flags);
      const rc = this.parts.hmm.rangeFault(range, helper);
      if (rc === -EBUSY || (rc === 0 && this.notifier.readRetry(range.notifierSeq))) continue;
      return rc < 0 ? rc : this.map(range);
    }
    return -EBUSY;
  }

  /**
   * dmirror_do_fault. A page of the device's own that is mapped read-only stays so: no fault makes
   * it writable.
   */
  private map(range: HmmRange): number {
    const wantsWrite = (range.defaultFlags & HMM_PFN_REQ_WRITE) !== 0;
    for (let at = 0; at < range.end - range.start; at++) {
      const isWritable = (range.flags[at]! & HMM_PFN_WRITE) !== 0;
      if (wantsWrite && !isWritable) return -EFAULT;
      this.set(range.start + at, range.pfns[at]!, isWritable ? 'write' : 'read');
    }
    return 0;
  }

  /** The entry behind the range goes too, as dmirror_do_update takes its end for the last one. */
  private invalidate(range: MmuNotifierRange): void {
    if (range.event === MMU_NOTIFY_MIGRATE && isBy(range, this)) return;
    if (range.event === MMU_NOTIFY_RELEASE) this.released = true;
    if (range.end - range.start > this.pt.size) {
      for (const vpn of this.pt.keys()) {
        if (vpn >= range.start && vpn <= range.end) this.pt.delete(vpn);
      }
      return;
    }
    for (let vpn = range.start; vpn <= range.end; vpn++) this.pt.delete(vpn);
  }
}

/** Is it the device's own migration, which maps what it moves itself? */
function isBy(range: MmuNotifierRange, { owner: self }: DeviceMirror): boolean {
  return range.by === self;
}

/** Nothing was done. */
function failed(rc: number): MirrorResult {
  return { rc, pages: 0, faults: 0, keys: [] };
}
