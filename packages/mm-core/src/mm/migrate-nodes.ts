import type { MPOL_MF_MOVE, MPOL_MF_MOVE_ALL } from '../abi/mempolicy.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Nodemask, nodemask, nodeRemap } from '../mem/nodemask.js';
import type { MmStruct } from '../mem/vma.js';
import { type Folios, FoliosToken } from './folio.js';
import { type MovePages, MovePagesToken } from './move-pages.js';
import { type QueuePages, QueuePagesToken } from './queue-pages.js';

/** What moves from which nodes to which, member by member. */
export interface NodesMove {
  readonly from: Nodemask;
  readonly to: Nodemask;
  /** Pages that nobody else maps, or all. */
  readonly flags: typeof MPOL_MF_MOVE | typeof MPOL_MF_MOVE_ALL;
}

interface Step {
  readonly source: number;
  readonly dest: number;
}

/** Moves an address space from nodes to nodes (mm/mempolicy.c:do_migrate_pages). */
@injectable()
export class MigrateNodes {
  constructor(
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(QueuePagesToken) private readonly queuePages: QueuePages,
    @inject(MovePagesToken) private readonly movePages: MovePages,
  ) {}

  /**
   * Pages keep the place of their node in its set, and none moves twice.
   * @returns folios that did not move, or -errno of the step that ended it
   */
  migrate(mm: MmStruct, move: NodesMove): number {
    return this.folios.withoutBatches(() => this.migrateSteps(mm, move));
  }

  private migrateSteps(mm: MmStruct, move: NodesMove): number {
    const left = new Set(move.from);
    let failed = 0;
    for (let step = nextStep(move, left); step !== null; step = nextStep(move, left)) {
      left.delete(step.source);
      const rc = this.migrateToNode(mm, step, move.flags);
      if (rc < 0) return rc;
      failed += rc;
    }
    return failed;
  }

  /** migrate_to_node. */
  private migrateToNode(mm: MmStruct, { source, dest }: Step, flags: number): number {
    const [first] = mm.vmas;
    if (first === undefined) return 0;
    const list: number[] = [];
    const failed = this.queuePages.range(
      {
        mm,
        start: first.start,
        end: Infinity,
        nodes: nodemask([source]),
        wanted: 'on nodes',
        flags,
        holes: 'allowed',
      },
      list,
    );
    const rc = list.length === 0 ? 0 : this.movePages.migrateFoliosToNode(list, dest);
    for (const folio of list) this.folios.putbackLru(folio);
    return rc < 0 ? rc : rc + failed;
  }
}
export const MigrateNodesToken = createToken<MigrateNodes>('MigrateNodes');

/**
 * The next pair of nodes: the first whose destination is not itself still a source, else the last
 * pair there is. Sets of different sizes leave their common nodes alone.
 */
function nextStep({ from, to }: NodesMove, left: Nodemask): Step | null {
  let step: Step | null = null;
  for (const source of left) {
    if (from.size !== to.size && to.has(source)) continue;
    const dest = nodeRemap(source, from, to);
    if (dest === source) continue;
    step = { source, dest };
    if (!left.has(dest)) break;
  }
  return step;
}
