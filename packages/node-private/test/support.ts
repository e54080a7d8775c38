import { createMachine, type Machine, type Plugin, type Token } from '@mm-lab/mm-core';
import { Peek } from '@mm-lab/testkit';
import {
  type Mends,
  movingOps,
  type NodePrivate,
  type NodePrivateOptions,
  NodePrivateToken,
  nodePrivate,
  type PrivateHotplug,
  PrivateHotplugToken,
} from '../src/index.js';

/** A machine with DRAM on node 0, ordinary slow memory on node 1 and two pluggable nodes. */
export interface PrivateMachine {
  readonly machine: Machine;
  readonly nodes: NodePrivate;
  readonly hotplug: PrivateHotplug;
  /**
   * The callbacks of migration, which do what mm would.
   * @param note hears of each call of `migrate_to` first
   */
  moving(note?: (call: MoveCall) => void): MovingOps;
  /** Another service of the machine. */
  service<T>(token: Token<T>): T;
}

/** A call of `migrate_to`: how many folios, where to, why (MR_*). */
export interface MoveCall {
  readonly folios: number;
  readonly nid: number;
  readonly reason: number;
}

/** What NP_OPS_MIGRATION obliges. */
export type MovingOps = ReturnType<typeof movingOps>;

/** The level's helper: builds the machine and hands out its private-node services. */
export function machineOf(
  seed = 1,
  options: NodePrivateOptions = {},
  others: readonly Plugin[] = [],
  pages = 1024,
): PrivateMachine {
  const peek = new Peek();
  const machine = createMachine(
    {
      seed,
      nodes: [
        { id: 0, pages, cpus: 1 },
        { id: 1, pages, lineNs: 200 },
        { id: 2, pages, online: false, lineNs: 300 },
        { id: 3, pages, online: false, lineNs: 300 },
      ],
      distances: [
        [10, 20, 25, 30],
        [20, 10, 30, 25],
        [25, 30, 10, 20],
        [30, 25, 20, 10],
      ],
      sysctl: { demotion_enabled: true },
    },
    [nodePrivate(options), peek, ...others],
  );
  const { services } = peek;
  const nodes = services.get(NodePrivateToken);
  const hotplug = services.get(PrivateHotplugToken);
  const moving = (note: (call: MoveCall) => void = () => undefined): MovingOps => {
    const ops = movingOps(services);
    return {
      ...ops,
      migrate_to(folios, nid, mode, reason) {
        note({ folios: folios.length, nid, reason });
        return ops.migrate_to(folios, nid, mode, reason);
      },
    };
  };
  return { machine, nodes, hotplug, moving, service: (token) => services.get(token) };
}

/** What a story came to as v4 tells it, and mended. */
export interface ToldBoth<T> {
  readonly v4: T;
  readonly mended: T;
}

/** Tells the same story of a machine as posted and of one that is mended, and verifies both. */
export function toldBoth<Made extends PrivateMachine, T>(
  mend: keyof Mends,
  make: (mends: Mends) => Made,
  story: (made: Made) => T,
): ToldBoth<T> {
  const tell = (mends: Mends): T => {
    const made = make(mends);
    const told = story(made);
    made.machine.verify();
    return told;
  };
  return { v4: tell({}), mended: tell({ [mend]: 'mended' }) };
}
