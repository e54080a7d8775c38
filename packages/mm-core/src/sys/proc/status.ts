import { N_POSSIBLE } from '../../abi/node-states.js';
import { PG_anon, PG_hugetlb, PG_swapbacked } from '../../abi/page-flags.js';
import { isMigrationType, PTE_SPECIAL, pteHoldsPage, pteType } from '../../abi/pte.js';
import { PAGE_SIZE } from '../../abi/zone.js';
import { createToken, inject, injectable } from '../../base/di.js';
import { type FolioTable, FolioTableToken } from '../../mem/folio-table.js';
import { type Nodemask, nodeList } from '../../mem/nodemask.js';
import { type Nodes, NodesToken } from '../../mem/nodes.js';
import { type Ptes, PtesToken } from '../../mem/ptes.js';
import type { TaskStruct } from '../../mem/task-struct.js';
import { dataVm, lockedVm, stackVm, totalVm } from '../../mem/vm-totals.js';
import type { MmStruct } from '../../mem/vma.js';
import { type Cpusets, CpusetsToken } from '../../mm/cpuset.js';

const KIB_PER_PAGE = PAGE_SIZE / 1024;

/** What kind of page counts as what (mm_counter). */
type RssKind = 'anon' | 'file' | 'shmem';

/**
 * /proc/PID/status as far as mm goes (fs/proc/task_mmu.c:task_mem, hugetlb_report_usage,
 * cpuset_task_status_allowed). Simplified: VmPin, VmExe, VmLib and VmPTE are missing, as page
 * tables above the last level and programs' own text are.
 */
@injectable()
export class ProcStatus {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(CpusetsToken) private readonly cpusets: Cpusets,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
  ) {}

  /** The text behind a field's name, or undefined if there is no such field here. */
  field(task: TaskStruct, name: string): string | undefined {
    const pages = this.pages(task.mm, name);
    if (pages !== undefined) return kib(pages);
    if (name === 'Mems_allowed_list') return nodeList(this.cpusets.memsAllowed(task));
    if (name === 'Mems_allowed') return this.bitmap(this.cpusets.memsAllowed(task));
    return undefined;
  }

  private pages(mm: MmStruct, name: string): number | undefined {
    if (name === 'VmPeak') return Math.max(mm.peakVm, totalVm(mm));
    if (name === 'VmSize') return totalVm(mm);
    if (name === 'VmLck') return lockedVm(mm);
    if (name === 'VmHWM') return Math.max(mm.peakRss, mm.rss);
    if (name === 'VmRSS') return mm.rss;
    if (name === 'RssAnon') return this.rss(mm, 'anon');
    if (name === 'RssFile') return this.rss(mm, 'file');
    if (name === 'RssShmem') return this.rss(mm, 'shmem');
    if (name === 'VmData') return dataVm(mm);
    if (name === 'VmStk') return stackVm(mm);
    if (name === 'VmSwap') return mm.swapents;
    if (name === 'HugetlbPages') return mm.hugetlbPages;
    return undefined;
  }

  /** Counted anew when somebody asks: faults keep the sum alone. */
  private rss(mm: MmStruct, kind: RssKind): number {
    let pages = 0;
    this.ptes.walk(mm.id, 0, Infinity, (slot) => {
      const bits = this.ptes.bits[slot]!;
      if ((bits & PTE_SPECIAL) !== 0 && pteHoldsPage(bits)) return;
      if (!pteHoldsPage(bits) && !isMigrationType(pteType(bits))) return;
      if (this.kind(this.table.head(this.ptes.value[slot]!)) === kind) pages++;
    });
    return pages;
  }

  private kind(folio: number): RssKind | 'hugetlb' {
    if (this.table.has(folio, PG_hugetlb)) return 'hugetlb';
    if (this.table.has(folio, PG_anon)) return 'anon';
    return this.table.has(folio, PG_swapbacked) ? 'shmem' : 'file';
  }

  /** As many hexadecimal digits as the node ids need (%*pb). */
  private bitmap(mask: Nodemask): string {
    const ids = Math.max(0, ...this.nodes.inState(N_POSSIBLE)) + 1;
    let bits = 0n;
    for (const nid of mask) bits |= 1n << BigInt(nid);
    const digits = bits.toString(16).padStart(Math.ceil(ids / 4), '0');
    return digits.replace(/\B(?=(?:.{8})+$)/g, ',');
  }
}
export const ProcStatusToken = createToken<ProcStatus>('ProcStatus');

function kib(pages: number): string {
  return `${pages * KIB_PER_PAGE} kB`;
}
