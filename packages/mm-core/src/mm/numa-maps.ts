import { VM_HUGETLB } from '../abi/mman.js';
import { N_MEMORY, N_MEMORY_PRIVATE } from '../abi/node-states.js';
import { PG_active, PG_anon, PG_dirty, PG_swapcache, PG_unevictable } from '../abi/page-flags.js';
import { PTE_DIRTY, pteMapsNormalPage } from '../abi/pte.js';
import { PAGE_SIZE, PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { policyText } from '../mem/policy.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { TaskStruct } from '../mem/task-struct.js';
import type { Vma } from '../mem/vma.js';
import { areaPolicy } from './policy-nodes.js';

/** Pages of one area by kind (struct numa_maps). */
interface NumaCounts {
  pages: number;
  anon: number;
  dirty: number;
  swapcache: number;
  active: number;
  mapcountMax: number;
  readonly nodes: Map<number, number>;
}

/**
 * /proc/PID/numa_maps: the policy of each area and where its pages are
 * (fs/proc/task_mmu.c:show_numa_map). Pages of private nodes are not counted, unless
 * `numaMapsCounted` says otherwise.
 */
@injectable()
export class NumaMaps {
  private readonly site = Sites.index('task_mmu.show_numa_map');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /** A line for each area, without the newlines. */
  lines(task: TaskStruct): string[] {
    return task.mm.vmas.map((vma) => this.line(task, vma));
  }

  private line(task: TaskStruct, vma: Vma): string {
    const policy = areaPolicy(vma, vma.start) ?? task.policy;
    const words = [(vma.start * PAGE_SIZE).toString(16).padStart(8, '0'), policyText(policy)];
    if (vma.file !== null) words.push(`file=${pathOf(vma.file)}`);
    const isHuge = (vma.flags & VM_HUGETLB) !== 0;
    if (isHuge) words.push('huge');
    const counts = this.count(task, vma);
    if (counts.pages > 0) words.push(...countWords(counts, isHuge));
    return words.join(' ');
  }

  /** gather_pte_stats; a huge page of the pool counts as one (gather_hugetlb_stats). */
  private count(task: TaskStruct, vma: Vma): NumaCounts {
    const isHuge = (vma.flags & VM_HUGETLB) !== 0;
    const nodes = new Map(this.shownNodes().map((nid) => [nid, 0]));
    const counts = { pages: 0, anon: 0, dirty: 0, swapcache: 0, active: 0, mapcountMax: 0, nodes };
    this.ptes.walk(task.mm.id, vma.start, vma.end, (slot) => {
      const bits = this.ptes.bits[slot]!;
      if (!pteMapsNormalPage(bits)) return;
      const pfn = this.ptes.value[slot]!;
      if (isHuge && this.table.head(pfn) !== pfn) return;
      const onNode = nodes.get(this.nodes.nidOf(pfn));
      if (onNode === undefined) return;
      nodes.set(this.nodes.nidOf(pfn), onNode + 1);
      this.countPage(counts, pfn, (bits & PTE_DIRTY) !== 0);
    });
    return counts;
  }

  private shownNodes(): number[] {
    const apart = this.managed.nodes_in_numa_maps(this.site, this.nodes.inState(N_MEMORY_PRIVATE));
    return [...this.nodes.inState(N_MEMORY), ...apart].sort((a, b) => a - b);
  }

  /** gather_stats. */
  private countPage(counts: NumaCounts, pfn: number, isDirty: boolean): void {
    const folio = this.table.head(pfn);
    counts.pages++;
    if (isDirty || this.table.has(folio, PG_dirty)) counts.dirty++;
    if (this.table.has(pfn, PG_anon)) counts.anon++;
    if (this.table.has(folio, PG_swapcache)) counts.swapcache++;
    if (this.table.has(folio, PG_active | PG_unevictable)) counts.active++;
    counts.mapcountMax = Math.max(counts.mapcountMax, this.table.mapcount[pfn]!);
  }
}
export const NumaMapsToken = createToken<NumaMaps>('NumaMaps');

/** What no name leads to any more is called so, with its space as an octal number (seq_path). */
function pathOf({ kind, name }: AddressSpace): string {
  return kind === 'regular' ? name : `/${name}\\040(deleted)`;
}

function countWords(counts: NumaCounts, isHuge: boolean): string[] {
  const { pages, anon, dirty, swapcache, active, mapcountMax, nodes } = counts;
  const words: string[] = [];
  if (anon > 0) words.push(`anon=${anon}`);
  if (dirty > 0) words.push(`dirty=${dirty}`);
  if (pages !== anon && pages !== dirty) words.push(`mapped=${pages}`);
  if (mapcountMax > 1) words.push(`mapmax=${mapcountMax}`);
  if (swapcache > 0) words.push(`swapcache=${swapcache}`);
  if (active < pages && !isHuge) words.push(`active=${active}`);
  for (const [nid, count] of nodes) if (count > 0) words.push(`N${nid}=${count}`);
  words.push(`kernelpagesize_kB=${((isHuge ? PTRS_PER_PTE : 1) * PAGE_SIZE) / 1024}`);
  return words;
}
