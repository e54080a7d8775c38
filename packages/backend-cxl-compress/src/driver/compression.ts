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
import { FlushPipeline } from './flush-pipeline.js';
import { FlushSender, FlushSenderToken } from './flush-sender.js';

const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;
/** Payload of a device that has no mailbox: its buffers never become commands. */
const PAYLOAD_BYTES_ASSUMED = 2048;
/** Retries of taking the memory offline, one a second. */
const OFFLINE_RETRIES_MAX = 60;
/** Seconds that removal waits for the last flushes: more than their polls can take. */
const LAST_FLUSH_SECONDS_MAX = 3600;

/** A device in the driver's care. */
interface Bound {
  readonly nid: number;
  readonly device: CompressingDevice;
  readonly settings: CompressionSettings;
  readonly pipeline: FlushPipeline | null;
  readonly stopPressure: StopPressure;
}

/**
 * The driver of RFC v4 patch 27 (cxl_compression): private memory, CRAM, the flush pipeline and the
 * two threshold interrupts, whose meaning is the pressure policy's.
 *
 * States: none --probe--> bound --remove--> none; removal that finds pages stuck after 60 retries
 * leaves the memory plugged and nothing else.
 */
@injectable()
export class CxlCompression {
  private bound: Bound | null = null;

  constructor(
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

  /** @returns 0 or -errno of the step that failed; then nothing stays claimed */
  probe(device: CompressingDevice, settings: CompressionSettings): number {
    const { nid } = settings;
    const np = { name: 'cxl-compression' };
    const added = this.hotplug.add_private_memory_driver_managed(nid, np, device);
    if (added < 0) return added;
    const mailbox = device instanceof CxlCompressDevice ? device.mailbox : null;
    const pipeline = settings.flush === 'none' ? null : this.pipelineOf(settings, mailbox);
    const flush = pipeline === null ? null : pipeline.callback;
    const registered = this.cram.cram_register_private_node(nid, device, flush);
    if (registered < 0) {
      this.hotplug.offline_and_remove_private_memory(nid);
      return registered;
    }
    const stopPressure = this.pressure.start(nid, device);
    this.bound = { nid, device, settings, pipeline, stopPressure };
    pipeline?.start();
    return 0;
  }

  /** @returns 0, or the error of taking the memory offline if pages stay after 60 retries */
  remove(): number {
    const { bound } = this;
    if (bound === null) return 0;
    const isPosted = bound.settings.teardown === 'posted';
    bound.stopPressure();
    if (isPosted) this.cram.cram_unregister_private_node(bound.nid);
    const rc = this.offlineWithRetries(bound.nid);
    if (!isPosted && rc < 0) {
      const stopPressure = this.pressure.start(bound.nid, bound.device);
      this.bound = { ...bound, stopPressure };
      return rc;
    }
    if (!isPosted) this.cram.cram_unregister_private_node(bound.nid);
    this.endFlushes(bound);
    this.bound = null;
    return rc;
  }

  /** Counters of the flush pipeline. */
  stats(): Readonly<Record<string, number>> {
    return this.bound?.pipeline?.stats() ?? {};
  }

  private pipelineOf(settings: CompressionSettings, mailbox: Mailbox | null): FlushPipeline {
    const { base, spannedPages: pages } = this.nodes.pgdat(settings.nid);
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

  private offlineWithRetries(nid: number): number {
    let rc = this.hotplug.offline_and_remove_private_memory(nid);
    for (let retry = 0; rc < 0 && retry < OFFLINE_RETRIES_MAX; retry++) {
      if (this.clock.inEvent()) return rc;
      this.clock.advance(NS_PER_S);
      rc = this.hotplug.offline_and_remove_private_memory(nid);
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
      services.bind(FlushSenderToken, FlushSender);
      services.bind(CxlCompressionToken, CxlCompression);
    },
    probe(services) {
      const device = services.get(deviceToken(settings.device));
      const rc = services.get(CxlCompressionToken).probe(device, settings);
      if (rc < 0) throw new MmError('NODE_REFUSED', { plugin: name, errno: -rc });
    },
    remove(services) {
      const rc = services.get(CxlCompressionToken).remove();
      if (rc < 0) throw new MmError('NODE_REFUSED', { plugin: name, errno: -rc });
    },
    stats: (services) => services.get(CxlCompressionToken).stats(),
  };
}
