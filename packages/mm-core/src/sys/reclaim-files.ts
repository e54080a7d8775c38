import { EACCES, EINVAL } from '../abi/errno.js';
import { inject, injectable } from '../base/di.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { Sysctl } from '../mm/sysctl.js';
import { type UserReclaim, UserReclaimToken } from '../mm/user-reclaim.js';
import { booleanFile, numberFile, type PseudoFile, parseNumber } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';
import { type Writer, WriterToken } from './writer.js';

/** Capabilities of the multi-generational LRU that the file may show (NR_LRU_GEN_CAPS). */
const LRU_GEN_CAPS = 7;
const OOM_SCORE_ADJ_MAX = 1000;
const PANIC_ON_OOM_MAX = 2;
const PAGE_CLUSTER_MAX = 31;

/** Tunables of reclaim and of the OOM killer (mm/vmscan.c, mm/oom_kill.c). */
@injectable()
export class ReclaimFiles implements PseudoFileSource {
  constructor(
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(UserReclaimToken) private readonly userReclaim: UserReclaim,
    @inject(WriterToken) private readonly writer: Writer,
  ) {}

  addTo(files: PseudoFiles): void {
    const { sysctl } = this;
    files.add('/sys/kernel/mm/lru_gen/enabled', this.lruGenFile());
    for (const name of ['min_unmapped_ratio', 'min_slab_ratio'] as const) {
      const file = {
        get: () => sysctl[name],
        set: (value: number) => {
          sysctl[name] = value;
          return 0;
        },
        max: 100,
      };
      files.add(`/proc/sys/vm/${name}`, numberFile(file));
    }
    files.add(
      '/proc/sys/vm/oom_kill_allocating_task',
      numberFile({
        get: () => Number(sysctl.oom_kill_allocating_task),
        set: (value) => {
          sysctl.oom_kill_allocating_task = value !== 0;
          return 0;
        },
      }),
    );
    const plain = (name: 'panic_on_oom' | 'page_cluster', max: number): PseudoFile =>
      numberFile({
        get: () => sysctl[name],
        set: (value) => {
          sysctl[name] = value;
          return 0;
        },
        max,
      });
    files.add('/proc/sys/vm/panic_on_oom', plain('panic_on_oom', PANIC_ON_OOM_MAX));
    files.add('/proc/sys/vm/page-cluster', plain('page_cluster', PAGE_CLUSTER_MAX));
    files.add(
      '/sys/kernel/mm/swap/vma_ra_enabled',
      booleanFile(
        () => sysctl.vma_ra_enabled,
        (value) => {
          sysctl.vma_ra_enabled = value;
        },
      ),
    );
    files.add('/proc/self/oom_score_adj', oomScoreAdjFile);
    for (const { nid } of this.nodes.all()) {
      files.add(`/sys/devices/system/node/node${nid}/reclaim`, {
        write: (text, task) => this.writer.run(task, () => this.userReclaim.ofNode(nid, text)),
      });
    }
  }

  /** A word, or a mask of capabilities; without the first there is no other (enabled_store). */
  private lruGenFile(): PseudoFile {
    const { sysctl } = this;
    return {
      read: () => `0x${sysctl.lru_gen.toString(16).padStart(4, '0')}`,
      write: (text) => {
        const caps = parseCaps(text);
        if (caps === null) return -EINVAL;
        sysctl.lru_gen = (caps & 1) !== 0 ? caps & LRU_GEN_CAPS : 0;
        this.lru.setLruGenEnabled((caps & 1) !== 0);
        return 0;
      },
    };
  }
}

/** -1000..1000; lower than it was takes a capability (fs/proc/base.c:__set_oom_adj). */
const oomScoreAdjFile: PseudoFile = {
  read: (task) => String(task?.oomScoreAdj ?? 0),
  write: (text, task) => {
    const value = parseNumber(text);
    if (value === null || Math.abs(value) > OOM_SCORE_ADJ_MAX) return -EINVAL;
    if (task === null) return 0;
    if (value < task.oomScoreAdj && task.creds.uid !== 0) return -EACCES;
    task.oomScoreAdj = value;
    return 0;
  },
};

function parseCaps(text: string): number | null {
  const first = text.charAt(0).toLowerCase();
  if (first === 'n') return 0;
  if (first === 'y') return LRU_GEN_CAPS;
  const value = parseNumber(text);
  return value === null || value < 0 ? null : value;
}
