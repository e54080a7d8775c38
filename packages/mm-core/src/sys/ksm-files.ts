import { PAGE_SIZE } from '../abi/zone.js';
import { inject, injectable } from '../base/di.js';
import { type Ksm, KsmToken } from '../mm/ksm.js';
import { booleanFile, numberFile, textFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const FOLDER = '/sys/kernel/mm/ksm';
const UINT_MAX = 2 ** 32 - 1;
/** sizeof(struct ksm_rmap_item) on a 64-bit machine. */
const RMAP_ITEM_BYTES = 64;

/** Switches and counters of KSM (mm/ksm.c:ksm_attrs). */
@injectable()
export class KsmFiles implements PseudoFileSource {
  constructor(@inject(KsmToken) private readonly ksm: Ksm) {}

  addTo(files: PseudoFiles): void {
    this.addSwitches(files);
    this.addTuning(files);
    this.addCounters(files);
  }

  private addSwitches(files: PseudoFiles): void {
    const { ksm } = this;
    const { scanner, tree } = ksm;
    files.add(`${FOLDER}/run`, numberFile({ get: () => ksm.run, set: (run) => ksm.setRun(run) }));
    files.add(
      `${FOLDER}/merge_across_nodes`,
      numberFile({
        get: () => (scanner.mergeAcrossNodes ? 1 : 0),
        set: (value) => ksm.setMergeAcrossNodes(value === 1),
        max: 1,
      }),
    );
    files.add(
      `${FOLDER}/max_page_sharing`,
      numberFile({
        get: () => tree.maxPageSharing,
        set: (pages) => ksm.setMaxPageSharing(pages),
      }),
    );
    files.add(
      `${FOLDER}/use_zero_pages`,
      booleanFile(
        () => scanner.useZeroPages,
        (use) => {
          scanner.useZeroPages = use;
        },
        ['0', '1'],
      ),
    );
    files.add(
      `${FOLDER}/smart_scan`,
      booleanFile(
        () => scanner.smartScan,
        (smart) => {
          scanner.smartScan = smart;
        },
        ['0', '1'],
      ),
    );
  }

  private addTuning(files: PseudoFiles): void {
    const { ksm } = this;
    files.add(
      `${FOLDER}/pages_to_scan`,
      numberFile({
        get: () => ksm.pagesToScan,
        set: (pages) => {
          ksm.pagesToScan = pages;
          return 0;
        },
        max: UINT_MAX,
      }),
    );
    files.add(
      `${FOLDER}/sleep_millisecs`,
      numberFile({
        get: () => ksm.sleepMs,
        set: (ms) => {
          ksm.sleepMs = ms;
          return 0;
        },
        max: UINT_MAX,
      }),
    );
    files.add(
      `${FOLDER}/advisor_mode`,
      textFile(() => '[none] scan-time'),
    );
  }

  private addCounters(files: PseudoFiles): void {
    const { ksm } = this;
    const { scanner, tree } = ksm;
    const counters: Record<string, () => number> = {
      pages_shared: () => tree.counts().shared,
      pages_sharing: () => tree.counts().sharing,
      pages_unshared: () => tree.counts().unshared,
      pages_volatile: () => {
        const { shared, sharing, unshared } = tree.counts();
        return Math.max(0, scanner.itemCount() - shared - sharing - unshared);
      },
      general_profit: () => {
        const saved = tree.counts().sharing + ksm.zeroPages();
        return saved * PAGE_SIZE - scanner.itemCount() * RMAP_ITEM_BYTES;
      },
      pages_scanned: () => scanner.pagesScanned,
      pages_skipped: () => scanner.pagesSkipped,
      ksm_zero_pages: () => ksm.zeroPages(),
      stable_node_chains: () => tree.counts().chains,
      stable_node_dups: () => tree.counts().dups,
      full_scans: () => scanner.seq,
    };
    for (const [name, get] of Object.entries(counters)) {
      files.add(`${FOLDER}/${name}`, numberFile({ get }));
    }
  }
}
