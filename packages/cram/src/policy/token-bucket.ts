import {
  type Clock,
  ClockToken,
  type CompressingDevice,
  createToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  OptionCheck,
  PAGE_SIZE,
  type Plugin,
} from '@mm-lab/mm-core';
import { AdmissionFilterToken } from './admission-filter.js';
import { PressureLoopToken } from './pressure-loop.js';
import { type WritablePages, WritablePagesToken } from './writable-pages.js';
import { type WritePolicy, WritePolicyToken, type WriteState } from './write-policy.js';

/** Options of a write budget that the device supplies. */
export interface TokenBucketOptions {
  /** Most tokens in a period (T); one lets one page become writable until the period ends. */
  readonly tokens: number;
  readonly periodNs: number;
  /**
   * Bytes of the device that what comes in may fill, late interrupts included: tokens are only
   * granted for what is left beyond. Default: all but `tokens` pages.
   */
  readonly entryBytes?: number;
  /**
   * Does a page that comes in take a token, too? 'counted': it does, so that nothing at all is
   * written without one; `entryBytes` is then of no use. Default 'free', as proposed.
   */
  readonly entry?: 'free' | 'counted';
  /** Simulated time at which the control path to the device dies, in ns. Default never. */
  readonly controlPathDiesNs?: number;
}
const TokenBucketOptions = createToken<TokenBucketOptions>('TokenBucketOptions');

/** Tokens of one node. */
interface Bucket {
  tokens: number;
  stopped: boolean;
}

/**
 * Tokens that the device grants for each period (Arun George, 2026-05-04): no tokens, no stores. A
 * page that was granted one can grow to a whole page on the device, so the device grants no more
 * than it has room for. At the end of a period every writable page is taken back before tokens are
 * granted anew; if the control path is dead, none are.
 */
@injectable()
export class TokenBuckets implements WritePolicy {
  private readonly byNode = new Map<number, Bucket>();
  private granted = 0;
  private refused = 0;
  private refusedEntry = 0;

  constructor(
    @inject(TokenBucketOptions) private readonly options: TokenBucketOptions,
    @inject(ClockToken) private readonly clock: Clock,
    @inject(FolioTableToken) private readonly table: FolioTable,
  ) {}

  mayWrite({ nid }: WriteState): boolean {
    const bucket = this.byNode.get(nid);
    if (bucket === undefined || bucket.tokens === 0) {
      this.refused++;
      return false;
    }
    bucket.tokens--;
    return true;
  }

  /** May the folio come in to the node? It takes a token for each of its pages. */
  admits(folio: number, nid: number): boolean {
    const bucket = this.byNode.get(nid);
    const pages = this.table.nrPages(folio);
    if (bucket === undefined || bucket.tokens < pages) {
      this.refusedEntry++;
      return false;
    }
    bucket.tokens -= pages;
    return true;
  }

  /** Grants tokens for the node until it is stopped. */
  start(nid: number, device: CompressingDevice, writable: WritablePages): () => void {
    const bucket: Bucket = { tokens: this.grant(device), stopped: false };
    this.byNode.set(nid, bucket);
    const renew = (): void => {
      if (bucket.stopped) return;
      bucket.tokens = 0;
      writable.revoke(nid, () => {
        if (!bucket.stopped) bucket.tokens = this.grant(device);
        this.clock.after(this.options.periodNs, renew);
      });
    };
    this.clock.after(this.options.periodNs, renew);
    return () => {
      bucket.stopped = true;
      bucket.tokens = 0;
    };
  }

  stats(): Readonly<Record<string, number>> {
    return {
      'cram.tokens_granted': this.granted,
      'cram.tokens_refused': this.refused,
      'cram.tokens_refused_entry': this.refusedEntry,
    };
  }

  /** What the device supplies: pages that it can hold raw beside what may come in. */
  private grant(device: CompressingDevice): number {
    const { tokens, controlPathDiesNs = Infinity } = this.options;
    if (this.clock.now >= controlPathDiesNs) return 0;
    const { capacityBytes } = device;
    const { entry, entryBytes = capacityBytes - tokens * PAGE_SIZE } = this.options;
    const kept = entry === 'counted' ? 0 : entryBytes;
    const roomBytes = capacityBytes - Math.max(device.usedBytes(), kept);
    const grant = Math.min(tokens, Math.max(0, Math.floor(roomBytes / PAGE_SIZE)));
    this.granted += grant;
    return grant;
  }
}

/**
 * Plugin: stores in place need tokens that the device supplies. Put it behind `cram()`.
 *
 * @throws MmError DEVICE_BAD_OPTION
 */
export function tokenBucket(options: TokenBucketOptions): Plugin {
  checkTokens(options);
  const bound: { buckets?: TokenBuckets } = {};
  return {
    name: 'token-bucket',
    register(services) {
      services.bindValue(TokenBucketOptions, options);
      services.bind(WritePolicyToken, TokenBuckets);
      if (options.entry !== 'counted') return;
      services.bindValue(AdmissionFilterToken, {
        admits: (folio, nid) => bound.buckets?.admits(folio, nid) ?? false,
      });
    },
    probe(services) {
      const buckets = services.get(WritePolicyToken);
      if (!(buckets instanceof TokenBuckets)) return;
      bound.buckets = buckets;
      const writable = services.get(WritablePagesToken);
      services.get(PressureLoopToken).join((nid, device) => buckets.start(nid, device, writable));
    },
    stats(services) {
      const buckets = services.get(WritePolicyToken);
      return buckets instanceof TokenBuckets ? buckets.stats() : {};
    },
  };
}

function checkTokens(options: TokenBucketOptions): void {
  const { tokens, periodNs, entryBytes, entry, controlPathDiesNs } = options;
  const check = new OptionCheck('token-bucket');
  check.known(options, ['tokens', 'periodNs', 'entryBytes', 'entry', 'controlPathDiesNs']);
  check.integer('tokens', tokens, [0, Number.MAX_SAFE_INTEGER]);
  check.number('periodNs', periodNs, [1, Number.MAX_VALUE]);
  if (entryBytes !== undefined) {
    check.number('entryBytes', entryBytes, [0, Number.MAX_SAFE_INTEGER]);
  }
  if (entry !== undefined) check.word('entry', entry, ['free', 'counted']);
  if (controlPathDiesNs !== undefined) {
    check.numberOrInfinity('controlPathDiesNs', controlPathDiesNs, [0, Number.MAX_VALUE]);
  }
}
