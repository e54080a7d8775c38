import {
  type Cram,
  CramToken,
  type PressureLoop,
  PressureLoopToken,
  type StopPressure,
} from '@mm-lab/cram';
import {
  type Clock,
  ClockToken,
  type CompressingDevice,
  CostModel,
  createToken,
  deviceToken,
  EINVAL,
  EIO,
  ENODEV,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  mustSucceed,
  type Nodes,
  NodesToken,
  type Plugin,
  type Services,
  type Work,
  WorkToken,
} from '@mm-lab/mm-core';
import { type PrivateHotplug, PrivateHotplugToken } from '@mm-lab/node-private';
import { CxlCompressDevice } from '../device/cxl-compress-device.js';
import type { Mailbox } from '../device/mailbox.js';
import { mediaZero, rangesIn } from '../device/media-operation.js';
import {
  type CompressionOptions,
  type CompressionSettings,
  compressionSettingsOf,
} from './compression-options.js';
import { CxlMemdev } from './cxl-memdev.js';
import { type CxlRegion, REGIONS_MAX, regionOfNode } from './cxl-region.js';
import { FlushPipeline } from './flush-pipeline.js';
import { FlushSender, FlushSenderToken } from './flush-sender.js';
import { type CxlSysram, CxlSysrams, CxlSysramsToken } from './sysram.js';

const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;
/** Payload of a device that has no mailbox: its buffers never become commands. */
const PAYLOAD_BYTES_ASSUMED = 2048;
/** Retries of taking the memory offline, one a second. */
const OFFLINE_RETRIES_MAX = 60;
/** Seconds that removal waits for the last flushes: more than their polls can take. */
const LAST_FLUSH_SECONDS_MAX = 3600;

/** A region and what it is made of. */
export interface CompressingRegion {
  readonly region: CxlRegion;
  readonly device: CompressingDevice;
}

/** A region in the driver's care. */
interface Bound extends CompressingRegion {
  readonly sysram: CxlSysram;
  readonly pipeline: FlushPipeline | null;
  readonly stopPressure: StopPressure;
}

/**
 * The driver of RFC v4 patch 27 (cxl_compression): private memory, CRAM, the flush pipeline and the
 * two threshold interrupts, whose meaning is the pressure policy's, for each of its regions.
 *
 * States: none --probe--> bound --remove--> none; removal that finds pages stuck after 60 retries
 * leaves the memory plugged and nothing else.
 */
@injectable()
export class CxlCompression {
  private bound: readonly Bound[] = [];
  private teardown: CompressionSettings['teardown'] = 'posted';

  constructor(
    @inject(CxlSysramsToken) private readonly sysrams: CxlSysrams,
    @inject(PrivateHotplugToken) private readonly hotplug: PrivateHotplug,
    @inject(CramToken) private readonly cram: Cram,
    @inject(PressureLoopToken) private readonly pressure: PressureLoop,
    @inject(ClockToken) private readonly clock: Clock,
    @inject(WorkToken) private readonly work: Work,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(FlushSenderToken) private readonly sender: FlushSender,
  ) {}

  /**
   * Converts each region to private memory under CRAM. If there is none that could be converted, it
   * makes one.
   * @param make a region of what its device has left, or -errno
   * @returns 0, also if the device has no RAM; -EIO some could be converted and some not; what
   *   keeps it from making a region, or CRAM from taking that; then nothing stays claimed
   */
  probe(
    regions: readonly CompressingRegion[],
    settings: CompressionSettings,
    make: () => CompressingRegion | number,
  ): number {
    this.teardown = settings.teardown;
    const taken = regions.slice(0, REGIONS_MAX);
    const converted = taken.filter((one) => this.convert(one, settings) === 0);
    if (converted.length === 0) return this.convertMade(make(), settings);
    if (converted.length === taken.length) return 0;
    for (const bound of [...this.bound].reverse()) this.release(bound);
    this.bound = [];
    return -EIO;
  }

  /** @returns 0, or the error of taking memory offline if pages stay after 60 retries */
  remove(): number {
    let rc = 0;
    const stay: Bound[] = [];
    for (const bound of [...this.bound].reverse()) {
      const failed = this.removeOne(bound);
      if (failed === 0) continue;
      if (rc === 0) rc = failed;
      if (this.teardown === 'posted') continue;
      const stopPressure = this.pressure.start(bound.sysram.nid, bound.device);
      stay.unshift({ ...bound, stopPressure });
    }
    this.bound = stay;
    return rc;
  }

  /** Counters of the flush pipelines; those of further regions begin with the region’s number. */
  stats(): Readonly<Record<string, number>> {
    const stats: Record<string, number> = {};
    this.bound.forEach(({ pipeline }, at) => {
      for (const [name, value] of Object.entries(pipeline?.stats() ?? {})) {
        stats[at === 0 ? name : `region${at}.${name}`] = value;
      }
    });
    return stats;
  }

  private convertMade(made: CompressingRegion | number, settings: CompressionSettings): number {
    if (typeof made !== 'number') return this.convert(made, settings);
    return made === -ENODEV ? 0 : made;
  }

  /** convert_region_to_sysram. @returns 0 or -errno, and then the region is as it was */
  private convert(one: CompressingRegion, settings: CompressionSettings): number {
    const { region } = one;
    const privately = { hotplug: this.hotplug, np: 'embedded' } as const;
    const added = this.sysrams.devm_cxl_add_sysram(region, 'online_movable', privately);
    if (added < 0) return added;
    const sysram = this.sysrams.cxl_region_find_sysram(region);
    const rc = sysram === null ? -ENODEV : this.serve(one, sysram, settings);
    if (rc < 0) this.sysrams.unregister(region);
    return rc;
  }

  /** Simplified: what could not be plugged is never CRAM's, even if another region's node is. */
  private serve(
    { region, device }: CompressingRegion,
    sysram: CxlSysram,
    settings: CompressionSettings,
  ): number {
    if (!sysram.isPlugged) return -EINVAL;
    const { nid } = sysram;
    const mailbox = device instanceof CxlCompressDevice ? device.mailbox : null;
    const pipeline = settings.flush === 'none' ? null : this.pipelineOf(nid, settings, mailbox);
    const flush = pipeline === null ? null : pipeline.callback;
    const registered = this.cram.cram_register_private_node(nid, region, flush);
    if (registered < 0) return registered;
    const stopPressure = this.pressure.start(nid, device);
    this.bound = [...this.bound, { region, device, sysram, pipeline, stopPressure }];
    pipeline?.start();
    return 0;
  }

  /** Undoes `convert`; nothing of the node is in use yet. */
  private release({ region, sysram, pipeline, stopPressure }: Bound): void {
    stopPressure();
    this.cram.cram_unregister_private_node(sysram.nid);
    pipeline?.stop();
    this.sysrams.unregister(region);
  }

  /** Pre-teardown, sysram, post-teardown. @returns 0, or why the memory stays */
  private removeOne(bound: Bound): number {
    const isPosted = this.teardown === 'posted';
    const { nid } = bound.sysram;
    bound.stopPressure();
    if (isPosted) this.cram.cram_unregister_private_node(nid);
    const rc = this.offlineWithRetries(bound.sysram);
    if (!isPosted && rc < 0) return rc;
    if (!isPosted) this.cram.cram_unregister_private_node(nid);
    if (rc === 0) this.sysrams.unregister(bound.region);
    this.endFlushes(bound);
    return rc;
  }

  private pipelineOf(
    nid: number,
    settings: CompressionSettings,
    mailbox: Mailbox | null,
  ): FlushPipeline {
    const { base, spannedPages: pages } = this.nodes.pgdat(nid);
    const { clock, work, table, folios, nodes, cost, sender } = this;
    const hardwareMax = rangesIn(mailbox?.payloadBytes ?? PAYLOAD_BYTES_ASSUMED);
    const { flush_buf_size: wanted, flush_interval_ms: intervalMs } = settings;
    const rangesMax = wanted === 0 ? hardwareMax : Math.min(wanted, hardwareMax);
    const flush = {
      intervalNs: intervalMs === undefined ? cost.ns.flushPeriod : intervalMs * NS_PER_MS,
      rangesMax,
      graceNs: settings.graceMs * NS_PER_MS,
      lateCommands: settings.lateCommands,
    };
    const parts = { clock, work, table, folios, nodes, cost, sender };
    const pipeline = new FlushPipeline({ base, pages }, flush, parts);
    if (mailbox !== null) this.askForZero(pipeline, mailbox);
    return pipeline;
  }

  /**
   * A command without ranges tells whether the device can zero. Simplified: probe does not wait for
   * the answer; before it comes the CPU zeroes.
   */
  private askForZero(pipeline: FlushPipeline, mailbox: Mailbox): void {
    const polling = { intervalNs: this.cost.ns.flushPoll, count: this.cost.counts.flushPolls };
    mailbox.send(mediaZero([]), polling, (rc) => {
      if (rc === 0) pipeline.mailbox = mailbox;
    });
  }

  private offlineWithRetries(sysram: CxlSysram): number {
    let rc = this.sysrams.cxl_sysram_offline_and_remove(sysram);
    for (let retry = 0; rc < 0 && retry < OFFLINE_RETRIES_MAX; retry++) {
      if (this.clock.inEvent()) return rc;
      this.clock.advance(NS_PER_S);
      rc = this.sysrams.cxl_sysram_offline_and_remove(sysram);
    }
    return rc;
  }

  /** Post-teardown: the thread stops, what is left is sent; the mailbox must still work. */
  private endFlushes({ pipeline }: Bound): void {
    if (pipeline === null) return;
    pipeline.stop();
    pipeline.sendRest();
    for (let waited = 0; pipeline.busy() && waited < LAST_FLUSH_SECONDS_MAX; waited++) {
      if (this.clock.inEvent()) return;
      this.clock.advance(NS_PER_S);
    }
  }
}
export const CxlCompressionToken = createToken<CxlCompression>('CxlCompression');

/**
 * Plugin: the device's memory on a private node, held safe by CRAM. Needs `nodePrivate()` and
 *         `cram()`.
 *
 * @throws MmError DEVICE_BAD_OPTION for an option out of range; NODE_REFUSED, at probe and remove
 */
export function cxlCompression(options: CompressionOptions): Plugin {
  const name = 'cxl-compression';
  const settings = compressionSettingsOf(options);
  return {
    name,
    register(services) {
      services.bind(CxlSysramsToken, CxlSysrams);
      services.bind(FlushSenderToken, FlushSender);
      services.bind(CxlCompressionToken, CxlCompression);
    },
    probe(services) {
      const regions = regionsOf(services, settings);
      const make = (): CompressingRegion | number => regionOfRest(services, settings, regions);
      mustSucceed(name, services.get(CxlCompressionToken).probe(regions, settings, make));
    },
    remove: (services) => mustSucceed(name, services.get(CxlCompressionToken).remove()),
    stats: (services) => services.get(CxlCompressionToken).stats(),
  };
}

/** The committed regions. */
function regionsOf(
  services: Services,
  { regions }: CompressionSettings,
): readonly CompressingRegion[] {
  const nodes = services.get(NodesToken);
  return regions.map((one) => {
    const device = services.get(deviceToken(one.device ?? 'cxl0'));
    return { region: regionOfNode(nodes, one.nid, device), device };
  });
}

/** A region of what the others leave of the device, on its node. @returns -ENOSPC no room */
function regionOfRest(
  services: Services,
  { nid, device: name }: CompressionSettings,
  others: readonly CompressingRegion[],
): CompressingRegion | number {
  const device = services.get(deviceToken(name));
  const place = regionOfNode(services.get(NodesToken), nid, device).hpa;
  const windows = place === null ? [] : [{ ...place, targetNode: nid }];
  const regions = others.filter((other) => other.device === device).map(({ region }) => region);
  const made = new CxlMemdev({ ramPages: device.logicalPages, regions, windows }).createRegion();
  return typeof made === 'number' ? made : { region: { ...made, device }, device };
}
