import { __GFP_ZERO, GFP_TRANSHUGE, GFP_TRANSHUGE_LIGHT } from '../abi/gfp.js';
import { PMD_ORDER } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { MmStruct } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import type { Collapser, ScanResult } from './collapse-scan.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Memcontrol, MemcontrolToken } from './memcontrol.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';
import { type ThpSettings, ThpSettingsToken } from './thp-settings.js';

/** Huge pages to collapse into (mm/khugepaged.c:alloc_charge_folio). */
@injectable()
export class CollapseAlloc {
  private readonly allocated = Vmstat.index('thp_collapse_alloc');
  private readonly failed = Vmstat.index('thp_collapse_alloc_failed');

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(MemcontrolToken) private readonly memcontrol: Memcontrol,
    @inject(ThpSettingsToken) private readonly thp: ThpSettings,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /**
   * A charged huge page of the node that most pages are on; of several such nodes the first, but
   * any of them will do (collapse_find_target_node). @returns its first page, or why there is none
   */
  alloc(
    mm: MmStruct,
    nodeLoad: ReadonlyMap<number, number>,
    by: Collapser,
  ): number | Extract<ScanResult, 'alloc huge page fail' | 'cgroup charge fail'> {
    const most = Math.max(0, ...nodeLoad.values());
    const nodemask = new Set<number>();
    for (const { nid } of this.nodes.all()) {
      if ((nodeLoad.get(nid) ?? 0) === most) nodemask.add(nid);
    }
    const light = by === 'khugepaged' && !this.thp.khugepaged.defrag;
    const gfp = (light ? GFP_TRANSHUGE_LIGHT : GFP_TRANSHUGE) | __GFP_ZERO;
    const nid = Math.min(...nodemask);
    const folio = this.pageAlloc.alloc({ gfp, order: PMD_ORDER, nid, nodemask });
    this.vmstat.add(folio < 0 ? this.failed : this.allocated, 1);
    if (folio < 0) return 'alloc huge page fail';
    this.memcgs.countMm(mm, this.allocated, 1);
    if (this.memcontrol.charge(folio, mm, GFP_TRANSHUGE) === 0) return folio;
    this.folios.put(folio);
    return 'cgroup charge fail';
  }
}
export const CollapseAllocToken = createToken<CollapseAlloc>('CollapseAlloc');
