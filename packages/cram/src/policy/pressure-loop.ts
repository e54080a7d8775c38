import {
  type Clock,
  ClockToken,
  type CompressingDevice,
  createToken,
  inject,
  injectable,
  type ThresholdKind,
} from '@mm-lab/mm-core';
import { type Cram, CramToken } from '../cram.js';
import {
  type PressureCause,
  type PressureController,
  type PressurePolicy,
  PressurePolicyToken,
} from './pressure-controller.js';

/** Ends what `PressureLoop.start` began. */
export type StopPressure = () => void;

/** Somebody else who has to do with the device of a node. @returns what ends it */
export type JoinDevice = (nid: number, device: CompressingDevice) => () => void;

/**
 * What a driver of a compressing device does all day: it listens to the threshold interrupts, reads
 * the usage as often as its controller wants it, and tells CRAM the pressure. Simplified: reading
 * the usage takes no time.
 */
@injectable()
export class PressureLoop {
  private readonly joined: JoinDevice[] = [];
  private readonly running = new Map<number, { device: CompressingDevice; ends: StopPressure[] }>();

  constructor(
    @inject(CramToken) private readonly cram: Cram,
    @inject(PressurePolicyToken) private readonly policy: PressurePolicy,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** A policy that works with the device of each node is told of those that run and will run. */
  join(policy: JoinDevice): void {
    this.joined.push(policy);
    for (const [nid, { device, ends }] of this.running) ends.push(policy(nid, device));
  }

  /**
   * A driver calls it once CRAM has the node, and what it returns before it takes the memory away.
   * @returns what ends it: from then on the node's pressure stays as it is
   */
  start(nid: number, device: CompressingDevice): StopPressure {
    const ends = [this.press(nid, device), ...this.joined.map((policy) => policy(nid, device))];
    this.running.set(nid, { device, ends });
    return () => {
      this.running.delete(nid);
      for (const end of ends) end();
    };
  }

  private press(nid: number, device: CompressingDevice): StopPressure {
    const controller = this.policy.controllerFor(nid);
    let stopped = false;
    const hear = (cause: PressureCause): void => {
      if (stopped) return;
      const { capacityBytes } = device;
      const usage = { usedBytes: device.usedBytes(), capacityBytes };
      this.cram.cram_set_pressure(nid, controller.pressure(cause, usage));
      if (cause !== 'poll') program(device, controller);
    };
    const poll = (): void => {
      if (stopped) return;
      hear('poll');
      this.clock.after(controller.pollNs, poll);
    };
    device.onThreshold((kind: ThresholdKind) => hear(kind));
    program(device, controller);
    if (controller.pollNs > 0) this.clock.after(controller.pollNs, poll);
    return () => {
      stopped = true;
    };
  }
}
export const PressureLoopToken = createToken<PressureLoop>('PressureLoop');

function program(device: CompressingDevice, controller: PressureController): void {
  const marks = controller.marks?.(device.capacityBytes) ?? null;
  if (marks !== null) device.programThresholds?.(marks);
}
