import {
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  MADV_COLLAPSE,
  MADV_HUGEPAGE,
  MADV_MERGEABLE,
  N_MEMORY,
  PMD_ORDER,
} from '@mm-lab/mm-core';
import type { IsolationCalls } from './isolation-calls.js';
import type { StepOf } from './isolation-step.js';
import { FRESH_PAGES, type IsolationWorld, PRIVATE } from './isolation-world.js';

const KSM = '/sys/kernel/mm/ksm';
const THP = '/sys/kernel/mm/transparent_hugepage';
const BALANCING = '/proc/sys/kernel/numa_balancing';
/** Pages in use before a node is reclaimed. */
const RECLAIM_PAGES = 64;
/** Rounds of reclaim before a request that nothing can serve gives up; hope makes it 16 more. */
const STALLS_MAX = 4;
/** An area of one huge page. */
const HUGE_VPN = 1024;
const HUGE_PAGES = 2 ** PMD_ORDER;
const PATIENCE_NS = 2e8;

/** What the kernel does on its own account, and memory that comes and goes. */
export class IsolationDaemons {
  constructor(
    private readonly world: IsolationWorld,
    private readonly calls: IsolationCalls,
  ) {}

  reclaim({ nid }: StepOf<'reclaim'>): void {
    this.calls.write({ task: 0, pages: RECLAIM_PAGES });
    this.tell(`/sys/devices/system/node/node${nid}/reclaim`, '1M');
  }

  /** What reclaim does with cold folios of a node. */
  demote({ nid }: StepOf<'demote'>): void {
    this.calls.refill(this.world.task(0));
    const { folios, nodes } = this.world.machine;
    folios.lruAddDrainAll();
    const own = this.frames().filter((pfn) => nodes.nidOf(pfn) === nid);
    const list = own.filter((pfn) => folios.isolateLru(pfn));
    this.world.demote(list, nid);
    for (const folio of list) folios.putbackLru(folio);
  }

  /**
   * Takes all ordinary memory, so that a request that cannot be served must fail at once: it may
   * not hope for memory of a node that it may not have.
   */
  exhaust(): void {
    const { machine, held, tasks } = this.world;
    const { zoneAlloc, pageAlloc, nodes } = machine;
    for (const index of [...tasks.keys()]) this.world.end(index);
    for (const nid of nodes.inState(N_MEMORY)) {
      const request = { gfp: GFP_HIGHUSER_MOVABLE | __GFP_THISNODE, order: 0, nid, nodemask: null };
      for (let pfn = 0; pfn >= 0; ) {
        pfn = zoneAlloc.getPageFromFreelist(request, 'none');
        if (pfn >= 0) held.push(pfn);
      }
    }
    const before = this.stalls();
    const gfp = GFP_KERNEL | __GFP_RETRY_MAYFAIL;
    const pfn = pageAlloc.alloc({ gfp, order: 0, nid: PRIVATE[0], nodemask: null });
    if (pfn >= 0) held.push(pfn);
    else if (this.stalls() - before > STALLS_MAX) this.world.complain('a request hoped for a node');
    this.world.release();
  }

  /** KSM over pages that nobody has told apart. */
  merge(): void {
    const task = this.world.task(0);
    this.calls.refill(task);
    if (!task.alive) return;
    task.madvise(0, FRESH_PAGES, MADV_MERGEABLE);
    this.tell(`${KSM}/sleep_millisecs`, '1');
    this.tell(`${KSM}/pages_to_scan`, '1000');
    this.tell(`${KSM}/run`, '1');
    this.wait();
    this.world.note('pages merged', this.read(`${KSM}/pages_sharing`));
    this.tell(`${KSM}/run`, '2');
    this.calls.write({ task: 0, pages: FRESH_PAGES });
  }

  /** khugepaged, or MADV_COLLAPSE, over base pages. */
  collapse({ byCall }: StepOf<'collapse'>): void {
    const task = this.world.task(0);
    task.mmap(HUGE_VPN, HUGE_PAGES);
    for (let vpn = HUGE_VPN; vpn < HUGE_VPN + FRESH_PAGES && task.alive; vpn++) task.write(vpn);
    if (!task.alive) return;
    this.world.machine.folios.lruAddDrainAll();
    if (byCall) task.madvise(HUGE_VPN, HUGE_PAGES, MADV_COLLAPSE);
    else {
      this.tell(`${THP}/enabled`, 'madvise');
      task.madvise(HUGE_VPN, HUGE_PAGES, MADV_HUGEPAGE);
      this.tell(`${THP}/khugepaged/scan_sleep_millisecs`, '10');
      this.wait();
      this.tell(`${THP}/khugepaged/scan_sleep_millisecs`, '10000');
    }
    if (task.alive) task.munmap(HUGE_VPN, HUGE_PAGES);
  }

  compact({ nid }: StepOf<'compact'>): void {
    this.tell(`/sys/devices/system/node/node${nid}/compact`, '1');
    this.tell('/proc/sys/vm/compact_memory', '1');
  }

  /** A pool of huge pages on a node, on all of them, and none again. */
  huge({ nid, pages }: StepOf<'huge'>): void {
    const folder = `/sys/devices/system/node/node${nid}/hugepages/hugepages-2048kB`;
    this.tell(`${folder}/nr_hugepages`, String(pages));
    this.tell('/proc/sys/vm/nr_hugepages', String(2 * pages));
    this.world.note('huge pages', this.read('/proc/sys/vm/nr_hugepages'));
    this.tell('/proc/sys/vm/nr_hugepages', '0');
  }

  /** A page that is taken offline, or is poisoned. */
  offline({ page, hard }: StepOf<'offline'>): void {
    this.calls.write({ task: 0, pages: FRESH_PAGES });
    const pfn = this.frames()[page] ?? -1;
    const { memoryFailure, softOffline } = this.world.machine;
    if (pfn < 0) return;
    if (hard) memoryFailure.memoryFailure(pfn, 0);
    else softOffline.softOfflinePage(pfn);
  }

  /** NUMA balancing, of a task that runs on another node. */
  balance({ nid }: StepOf<'balance'>): void {
    const task = this.world.task(0);
    this.tell(BALANCING, '3');
    if (this.world.machine.nodes.hasState(nid, N_MEMORY)) task.nid = nid;
    for (let round = 0; round < 4 && task.alive; round++) {
      this.world.machine.clock.advance(1e9);
      for (let vpn = 0; vpn < FRESH_PAGES && task.alive; vpn++) task.read(vpn);
    }
    if (task.alive) task.nid = 0;
    this.tell(BALANCING, '0');
  }

  exit({ task }: StepOf<'exit'>): void {
    this.world.end(task);
  }

  replug({ nid }: StepOf<'replug'>): void {
    const online = this.world.machine.nodes.pgdat(nid).managedPages() > 0;
    if (online) this.world.unplug(nid);
    else this.world.plug(nid);
  }

  register({ nid }: StepOf<'register'>): void {
    this.world.register(nid);
  }

  wait(): void {
    this.world.machine.folios.lruAddDrainAll();
    this.world.machine.clock.advance(PATIENCE_NS);
  }

  /** Pages of the first task's first addresses. */
  private frames(): number[] {
    const { ptes } = this.world.machine;
    const { mm } = this.world.task(0);
    const mapped = Array.from({ length: FRESH_PAGES }, (_, vpn) => {
      const slot = ptes.find(mm.id, vpn);
      return slot < 0 ? -1 : (ptes.value[slot] ?? -1);
    });
    return mapped.filter((pfn) => pfn >= 0);
  }

  private tell(path: string, value: string): void {
    this.world.machine.pseudoFiles.write(path, value);
  }

  private read(path: string): number {
    return Number(this.world.machine.pseudoFiles.read(path));
  }

  private stalls(): number {
    const counts = Object.entries(this.world.machine.vmstat());
    return counts.reduce((sum, [name, n]) => (name.startsWith('allocstall') ? sum + n : sum), 0);
  }
}
