import {
  CxlCompressDevice,
  type CxlCompressOptions,
  cxlCompressDevice,
} from '@mm-lab/backend-cxl-compress';
import {
  Clock,
  ClockToken,
  CostModel,
  createServices,
  createTracepoints,
  deviceToken,
  PageData,
  type Services,
  TableCostModel,
  type ThresholdKind,
  Tracepoints,
} from '@mm-lab/mm-core';
import { sizedPages } from './page-data.js';

/** First pfn of the range in every test: a device must not take pfns for indices. */
export const BASE = 1000;
export const NID = 2;

/** A device in a machine that has nothing else, attached and with its interrupts written down. */
export interface PluggedDevice {
  readonly clock: Clock;
  readonly tracepoints: Tracepoints;
  readonly services: Services;
  readonly device: CxlCompressDevice;
  /** Interrupts as they arrived, with their time. */
  readonly interrupts: (readonly [at: number, kind: ThresholdKind])[];
  stats(): Readonly<Record<string, number>>;
}

export function plug(
  options: CxlCompressOptions,
  data: PageData = sizedPages(),
  cost: CostModel = new TableCostModel(),
): PluggedDevice {
  const clock = new Clock();
  const tracepoints = createTracepoints(() => clock.now);
  const services = createServices();
  services.bindValue(ClockToken, clock);
  services.bindValue(CostModel, cost);
  services.bindValue(PageData, data);
  services.bindValue(Tracepoints, tracepoints);
  const plugin = cxlCompressDevice(options);
  plugin.register?.(services);
  const device = services.get(deviceToken(plugin.name));
  if (!(device instanceof CxlCompressDevice)) throw new Error('the plugin binds its device');
  device.attach({ nid: NID, base: BASE, pages: options.logicalPages });
  const interrupts: (readonly [number, ThresholdKind])[] = [];
  device.onThreshold((kind) => interrupts.push([clock.now, kind]));
  const stats = () => plugin.stats?.(services) ?? {};
  return { clock, tracepoints, services, device, interrupts, stats };
}
