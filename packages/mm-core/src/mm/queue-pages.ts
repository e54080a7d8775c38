import { EFAULT, EIO } from '../abi/errno.js';
import { MPOL_MF_MOVE, MPOL_MF_MOVE_ALL, MPOL_MF_STRICT } from '../abi/mempolicy.js';
import { isMigrationType, pteMapsNormalPage, pteType } from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import type { Nodemask } from '../mem/nodemask.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { LEAF_SHIFT, PMD_HUGE, type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct } from '../mem/vma.js';
import { type Folios, FoliosToken } from './folio.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';

/** Which pages of an address space are wanted (struct queue_pages). */
export interface QueueRequest {
  readonly mm: MmStruct;
  /** Virtual pages [start, end). */
  readonly start: number;
  readonly end: number;
  readonly nodes: Nodemask;
  /** Pages on these nodes, or those anywhere else. */
  readonly wanted: 'on nodes' | 'elsewhere';
  /** MPOL_MF_*: what to do with a wanted page. */
  readonly flags: number;
  /** Whether areas of the range may have holes between them. */
  readonly holes: 'allowed' | 'refused';
}

/** How far a walk came. */
interface Walked {
  failed: number;
  /** The last large folio: its other entries are not looked at. */
  large: number;
}

const MOVE_ANY = MPOL_MF_MOVE | MPOL_MF_MOVE_ALL;

/**
 * The walk that mbind and migrate_pages share (mm/mempolicy.c:queue_pages_range). Every area may
 * migrate here: there are no device mappings.
 */
@injectable()
export class QueuePages {
  private readonly site = Sites.index('mempolicy.queue_folios_pte_range');
  private readonly pmdSite = Sites.index('mempolicy.queue_folios_pmd');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /**
   * Isolates wanted folios into `list`; the caller drained the LRU batches.
   * @returns folios that could not be isolated; -EFAULT for a hole; -EIO for the first wanted page
   *   of a request that only looks (MPOL_MF_STRICT alone)
   */
  range(request: QueueRequest, list: number[]): number {
    const { mm, start, end, holes, flags } = request;
    const parts = mm.within(start, end);
    const looks = (flags & (MPOL_MF_STRICT | MOVE_ANY)) !== 0;
    let at = start;
    const walked: Walked = { failed: 0, large: -1 };
    for (const [index, part] of parts.entries()) {
      if (holes === 'refused') {
        const next = parts[index + 1]?.start ?? end;
        if (part.start > at || next > part.end) return -EFAULT;
      }
      at = part.end;
      if (!looks) continue;
      this.ptes.walk(mm.id, part.start, part.end, (slot) =>
        this.entry(request, slot, walked, list),
      );
      if (walked.failed > 0 && (flags & MOVE_ANY) === 0) return -EIO;
    }
    return parts.length === 0 ? -EFAULT : walked.failed;
  }

  /** queue_folios_pte_range, for one entry. */
  private entry(request: QueueRequest, slot: number, walked: Walked, list: number[]): void {
    const { flags } = request;
    const bits = this.ptes.bits[slot]!;
    if (isMigrationType(pteType(bits))) walked.failed++;
    if (!pteMapsNormalPage(bits)) return;
    const folio = this.table.head(this.ptes.value[slot]!);
    if (folio === walked.large || !this.isWanted(request, folio, slot)) return;
    if (this.table.order[folio]! > 0) walked.large = folio;
    if ((flags & MOVE_ANY) === 0 || !this.add(folio, flags, list)) walked.failed++;
  }

  private isWanted({ nodes, wanted }: QueueRequest, folio: number, slot: number): boolean {
    const site = this.ptes.pmd[slot >> LEAF_SHIFT] === PMD_HUGE ? this.pmdSite : this.site;
    if (!this.managed.folio_managed_allows_user_migrate(site, folio)) return false;
    return nodes.has(this.nodes.nidOf(folio)) === (wanted === 'on nodes');
  }

  /** A shared folio stays without being a failure, unless all may move (migrate_folio_add). */
  private add(folio: number, flags: number, list: number[]): boolean {
    const mayMove = (flags & MPOL_MF_MOVE_ALL) !== 0 || !this.rmapWalk.maybeMappedShared(folio);
    if (!mayMove) return true;
    if (!this.folios.isolateLru(folio)) return false;
    list.push(folio);
    return true;
  }
}
export const QueuePagesToken = createToken<QueuePages>('QueuePages');
