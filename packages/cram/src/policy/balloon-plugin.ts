import {
  type Clock,
  ClockToken,
  type CompressingDevice,
  type Contents,
  ContentsToken,
  createToken,
  inject,
  injectable,
  mustSucceed,
  OptionCheck,
  PAGE_SIZE,
  type Plugin,
} from '@mm-lab/mm-core';
import { type Cram, CramToken } from '../cram.js';
import { type Balloon, BalloonToken } from './balloon.js';
import { RATIO_ONE } from './balloon-node.js';
import type { PressureController } from './pressure-controller.js';
import { PressureLoopToken } from './pressure-loop.js';

/** How a driver reports to the balloon. */
export interface BalloonOptions {
  /** Ratio that the driver claims, per mille: the node has `zratio / 1000` times the capacity. */
  readonly zratio: number;
  /** The achieved ratio is read and reported this often, in ns. Default 10,000,000. */
  readonly pollNs?: number;
  /** Stored pages below which a ratio says nothing yet. Default 64. */
  readonly pagesMin?: number;
  /**
   * Share of the capacity that the node shall not count on, 0..1: the ratio is reported that much
   * smaller. With none the ladder begins to evict when the device is full. Default 0.
   */
  readonly reserve?: number;
  /** Does entry wait while the balloon converges (block_alloc)? Default 'open'. */
  readonly entry?: 'open' | 'closed';
}
const BalloonOptions = createToken<Required<BalloonOptions>>('BalloonOptions');

const POLL_NS = 10_000_000;
const PAGES_MIN = 64;

/** A driver of the later trees: ratio to the balloon, thresholds to the gate. */
@injectable()
class BalloonReports {
  constructor(
    @inject(BalloonOptions) private readonly options: Required<BalloonOptions>,
    @inject(BalloonToken) private readonly balloon: Balloon,
    @inject(CramToken) private readonly cram: Cram,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** @throws MmError NODE_REFUSED if the node gets no balloon */
  start(nid: number, device: CompressingDevice): () => void {
    const { zratio, pollNs } = this.options;
    const rc = this.balloon.register(nid, zratio, (base, pages) => this.trim(base, pages));
    mustSucceed('balloon', rc);
    let stopped = false;
    device.onThreshold((kind) => {
      if (!stopped) this.gate(nid, device, kind === 'low' ? 'withdrawn' : 'open');
    });
    const poll = (): void => {
      if (stopped) return;
      this.report(nid, device);
      this.clock.after(pollNs, poll);
    };
    this.clock.after(pollNs, poll);
    return () => {
      stopped = true;
      this.balloon.unregister(nid);
    };
  }

  private gate(nid: number, device: CompressingDevice, gate: 'withdrawn' | 'open'): void {
    this.cram.cram_set_no_alloc(nid, gate);
    this.report(nid, device);
  }

  /** The ratio of what is stored now, less the reserve. */
  private report(nid: number, device: CompressingDevice): void {
    const { zratio, entry, pagesMin, reserve } = this.options;
    const stored = device.storedPages();
    const used = device.usedBytes();
    if (stored < pagesMin || used === 0) return;
    const achieved = Math.min(zratio, (RATIO_ONE * stored * PAGE_SIZE) / used);
    const ratio = Math.max(RATIO_ONE, Math.round((1 - reserve) * achieved));
    this.balloon.cram_set_compression_ratio(nid, ratio, entry);
  }

  private trim(base: number, pages: number): number {
    for (let pfn = base; pfn < base + pages; pfn++) this.contents.discard(pfn);
    return 0;
  }
}
const BalloonReportsToken = createToken<BalloonReports>('BalloonReports');

/**
 * Plugin: drivers report ratios to a balloon, as those of the author's later trees do; thresholds
 * withdraw the zone. Put it behind `cram()`, with `pressurePolicy(noPressure)` for the later trees,
 * which have no pressure.
 *
 * @throws MmError DEVICE_BAD_OPTION; NODE_REFUSED for a ratio below 1000, when a node comes
 */
export function balloon(options: BalloonOptions): Plugin {
  const { zratio, pollNs = POLL_NS, pagesMin = PAGES_MIN, reserve = 0, entry = 'open' } = options;
  const check = new OptionCheck('balloon');
  check.known(options, ['zratio', 'pollNs', 'pagesMin', 'reserve', 'entry']);
  check.number('zratio', zratio, [0, Number.MAX_SAFE_INTEGER]);
  check.number('pollNs', pollNs, [1, Number.MAX_VALUE]);
  check.integer('pagesMin', pagesMin, [0, Number.MAX_SAFE_INTEGER]);
  check.share('reserve', reserve);
  check.word('entry', entry, ['open', 'closed']);
  return {
    name: 'balloon',
    register(services) {
      services.bindValue(BalloonOptions, { zratio, pollNs, pagesMin, reserve, entry });
      services.bind(BalloonReportsToken, BalloonReports);
    },
    probe(services) {
      const reports = services.get(BalloonReportsToken);
      services.get(PressureLoopToken).join((nid, device) => reports.start(nid, device));
    },
    stats(services) {
      const { counts } = services.get(BalloonToken);
      return {
        'cram.balloon_inflated': counts.inflated,
        'cram.balloon_deflated': counts.deflated,
        'cram.balloon_attempts': counts.attempts,
        'cram.balloon_failed': counts.failed,
        'cram.balloon_stalled_rounds': counts.stalledRounds,
        'cram.balloon_kills': counts.kills,
      };
    },
  };
}

/** A controller that never presses: capacity is somebody else's business. */
export function noPressure(): PressureController {
  return { pollNs: 0, pressure: () => 0 };
}
