import {
  type CompressingDevice,
  createToken,
  DEF_PRIORITY,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  OptionCheck,
  PAGE_SIZE,
  type Plugin,
  type ScanControl,
  type ShrinkFolioList,
  ShrinkFolioListToken,
} from '@mm-lab/mm-core';
import { type AdmissionFilter, AdmissionFilterToken, type CameIn } from './admission-filter.js';
import { type PageContents, PageContentsToken } from './page-contents.js';
import { PressureLoopToken } from './pressure-loop.js';

/** Options of a filter that remembers. */
export interface RememberAndRejectOptions {
  /** Share of a page above which it counts as incompressible. Default 0.73 (zswap at Google). */
  readonly share?: number;
  /** Pages that it remembers at most; the oldest is forgotten. Default 65,536. */
  readonly entries?: number;
}
const RememberOptions = createToken<Required<RememberAndRejectOptions>>('RememberOptions');

const SHARE = 0.73;
const ENTRIES = 65_536;
const ENTRIES_MAX = 1 << 24;

/**
 * Lets everything in once, asks the device what it takes there, sends what does not shrink on to
 * swap at once and remembers it until a program stores to it. It needs a device that tells the size
 * of a page, which those of the RFC's discussion do not.
 */
@injectable()
export class RememberAndReject implements AdmissionFilter {
  private readonly devices = new Map<number, CompressingDevice>();
  /** Identity of the incompressible contents by the entry that a program sees them through. */
  private readonly remembered = new Map<number, number>();
  private rejected = 0;
  private expelled = 0;

  constructor(
    @inject(RememberOptions) private readonly options: Required<RememberAndRejectOptions>,
    @inject(PageContentsToken) private readonly contents: PageContents,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ShrinkFolioListToken) private readonly shrink: ShrinkFolioList,
  ) {}

  admits(folio: number): boolean {
    const place = this.contents.placeOf(folio);
    const known = this.remembered.get(place);
    if (known === undefined) return true;
    this.contents.keyOf(folio);
    if (known === this.contents.versionOf(folio)) {
      this.rejected++;
      return false;
    }
    this.remembered.delete(place);
    return true;
  }

  attach(nid: number, device: CompressingDevice): () => void {
    this.devices.set(nid, device);
    return () => this.devices.delete(nid);
  }

  /** Sends on what turned out not to shrink. */
  cameIn(arrived: readonly CameIn[]): void {
    const bytes = this.options.share * PAGE_SIZE;
    const tooLarge = arrived.filter(({ folio, nid }) => {
      return (this.devices.get(nid)?.storedBytes(folio) ?? 0) > bytes;
    });
    const list: number[] = [];
    for (const { folio } of tooLarge) {
      this.remember(folio);
      if (this.folios.isolateLru(folio)) list.push(folio);
    }
    if (list.length === 0) return;
    const sc: ScanControl = {
      reclaimer: 'kswapd',
      nrToReclaim: list.length,
      priority: DEF_PRIORITY,
      maySwap: true,
      mayDemote: false,
      order: 0,
      nrScanned: 0,
      nrReclaimed: 0,
    };
    this.expelled += this.shrink.run(list, sc, 'ignore');
  }

  stats(): Readonly<Record<string, number>> {
    return { 'cram.rejected': this.rejected, 'cram.expelled': this.expelled };
  }

  private remember(folio: number): void {
    const place = this.contents.placeOf(folio);
    if (place < 0 || this.table.nrPages(folio) > 1) return;
    const [oldest] = this.remembered.keys();
    if (this.remembered.size >= this.options.entries && oldest !== undefined) {
      this.remembered.delete(oldest);
    }
    this.remembered.set(place, this.contents.versionOf(folio));
  }
}
/** Plugin: what did not shrink once does not come in again. Put it behind `cram()`. */
export function rememberAndReject(options: RememberAndRejectOptions = {}): Plugin {
  const { share = SHARE, entries = ENTRIES } = options;
  const check = new OptionCheck('remember-and-reject');
  check.known(options, ['share', 'entries']);
  check.share('share', share);
  check.integer('entries', entries, [1, ENTRIES_MAX]);
  return {
    name: 'remember-and-reject',
    register(services) {
      services.bindValue(RememberOptions, { share, entries });
      services.bind(AdmissionFilterToken, RememberAndReject);
    },
    probe(services) {
      const filter = services.get(AdmissionFilterToken);
      if (!(filter instanceof RememberAndReject)) return;
      services.get(PressureLoopToken).join((nid, device) => filter.attach(nid, device));
    },
    stats(services) {
      const filter = services.get(AdmissionFilterToken);
      return filter instanceof RememberAndReject ? filter.stats() : {};
    },
  };
}
