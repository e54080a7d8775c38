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
  EIO,
  ENODEV,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  MmError,
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
import type { DriverOptions } from './driver-options.js';
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
   * Converts the regions to private memory, then puts each under CRAM.
   * @returns 0; -EIO if a region could not be converted (what it says is only warned about); or the
   *   error of CRAM; then nothing stays claimed
   */
  probe(regions: readonly CompressingRegion[], settings: CompressionSettings): number {
    this.teardown = settings.teardown;
    const taken = regions.slice(0, REGIONS_MAX);
    const converted = taken.filter(({ region }) => this.convert(region));
    const isWhole = converted.length === taken.length;
    const rc = isWhole ? this.serveAll(converted, settings) : -EIO;
    if (rc < 0) for (const { region } of converted) this.sysrams.unregister(region);
    return rc;
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

  /** Simplified: a region that could not be plugged counts as failed. */
  private convert(region: CxlRegion): boolean {
    const privately = { hotplug: this.hotplug, np: 'embedded' } as const;
    const rc = this.sysrams.devm_cxl_add_sysram(region, 'online_movable', privately);
    if (rc < 0) return false;
    if (this.sysrams.cxl_region_find_sysram(region)?.isPlugged === true) return true;
    this.sysrams.unregister(region);
    return false;
  }

  private serveAll(regions: readonly CompressingRegion[], settings: CompressionSettings): number {
    for (const one of regions) {
      const rc = this.serve(one, settings);
      if (rc < 0) {
        for (const bound of [...this.bound].reverse()) this.release(bound);
        this.bound = [];
        return rc;
      }
    }
    return 0;
  }

  private serve({ region, device }: CompressingRegion, settings: CompressionSettings): number {
    const sysram = this.sysrams.cxl_region_find_sysram(region);
    if (sysram === null) return -ENODEV;
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

  /** Undoes `serve`; nothing of the node is in use yet. */
  private release({ sysram, pipeline, stopPressure }: Bound): void {
    stopPressure();
    this.cram.cram_unregister_private_node(sysram.nid);
    pipeline?.stop();
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
      const rc =
        typeof regions === 'number'
          ? regions
          : services.get(CxlCompressionToken).probe(regions, settings);
      if (rc < 0) throw new MmError('NODE_REFUSED', { plugin: name, errno: -rc });
    },
    remove(services) {
      const rc = services.get(CxlCompressionToken).remove();
      if (rc < 0) throw new MmError('NODE_REFUSED', { plugin: name, errno: -rc });
    },
    stats: (services) => services.get(CxlCompressionToken).stats(),
  };
}

/** The regions that there are, or one that is made. @returns -ENOSPC no room for one */
function regionsOf(
  services: Services,
  { regions, nid, device: name }: CompressionSettings,
): readonly CompressingRegion[] | number {
  const nodes = services.get(NodesToken);
  const find = (one: DriverOptions): CompressingDevice =>
    services.get(deviceToken(one.device ?? 'cxl0'));
  if (regions.length > 0) {
    return regions.map((one) => {
      const device = find(one);
      return { region: regionOfNode(nodes, one.nid, device), device };
    });
  }
  const device = find({ device: name, nid });
  const { base, spannedPages: pages } = nodes.pgdat(nid);
  const windows = [{ base, pages, targetNode: nid }];
  const made = new CxlMemdev({ ramPages: device.logicalPages, windows }).createRegion();
  return typeof made === 'number' ? made : [{ region: { ...made, device }, device }];
}
