import { EINVAL } from '../abi/errno.js';
import { inject, injectable } from '../base/di.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Compaction, CompactionToken } from '../mm/compaction.js';
import { type Kcompactd, KcompactdToken } from '../mm/kcompactd.js';
import { Sysctl } from '../mm/sysctl.js';
import { actionFile, numberFile, parseNumber } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

/** Files that compact memory by hand (mm/compaction.c:sysctl_compaction_handler, compact_store). */
@injectable()
export class CompactionFiles implements PseudoFileSource {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(CompactionToken) private readonly compaction: Compaction,
    @inject(KcompactdToken) private readonly kcompactd: Kcompactd,
    @inject(Sysctl) private readonly sysctl: Sysctl,
  ) {}

  addTo(files: PseudoFiles): void {
    const { compaction, sysctl } = this;
    files.add(
      '/proc/sys/vm/compact_memory',
      actionFile((text) => {
        if (parseNumber(text) !== 1) return -EINVAL;
        compaction.compactMemory();
        return 0;
      }),
    );
    files.add(
      '/proc/sys/vm/compact_unevictable_allowed',
      numberFile({
        get: () => (sysctl.compact_unevictable_allowed ? 1 : 0),
        set: (value) => {
          sysctl.compact_unevictable_allowed = value === 1;
          return 0;
        },
        max: 1,
      }),
    );
    files.add(
      '/proc/sys/vm/extfrag_threshold',
      numberFile({
        get: () => sysctl.extfrag_threshold,
        set: (value) => {
          sysctl.extfrag_threshold = value;
          return 0;
        },
        max: 1000,
      }),
    );
    files.add(
      '/proc/sys/vm/compaction_proactiveness',
      numberFile({
        get: () => sysctl.compaction_proactiveness,
        set: (value) => {
          this.kcompactd.writeProactiveness(value);
          return 0;
        },
        max: 100,
      }),
    );
    for (const { nid } of this.nodes.all()) {
      files.add(
        `/sys/devices/system/node/node${nid}/compact`,
        actionFile(() => {
          compaction.compactNode(nid);
          return 0;
        }),
      );
    }
  }
}
