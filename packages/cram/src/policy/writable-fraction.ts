import { OptionCheck, type Plugin } from '@mm-lab/mm-core';
import { CRAM_PRESSURE_MAX } from '../node.js';
import { type WritePolicy, WritePolicyToken } from './write-policy.js';

/** How many pages of a node may be stored to in place: one of the two. */
export interface WritableFractionOptions {
  /** Share of the pages in use on the node, 0..1. */
  readonly fraction?: number;
  /** A fixed number of pages, as the RFC's `writable count < budget` has it. */
  readonly budgetPages?: number;
  /** Pressure from which every writable page is taken back; null: never. Default 1000. */
  readonly revokeAt?: number | null;
}

/** The policy without a machine. @throws MmError DEVICE_BAD_OPTION */
export function writableFractionPolicy(options: WritableFractionOptions): WritePolicy {
  const { fraction = 0, budgetPages } = options;
  const revokeAt = options.revokeAt === undefined ? CRAM_PRESSURE_MAX : options.revokeAt;
  const check = new OptionCheck('writable-fraction');
  check.known(options, ['fraction', 'budgetPages', 'revokeAt']);
  const isOne = options.fraction === undefined || budgetPages === undefined;
  check.that(isOne, 'fraction and budgetPages are both given: give one');
  check.share('fraction', fraction);
  check.integer('budgetPages', budgetPages ?? 0, [0, Number.MAX_SAFE_INTEGER]);
  check.number('revokeAt', revokeAt ?? 0, [0, CRAM_PRESSURE_MAX]);
  return {
    mayWrite({ writablePages, residentPages }) {
      return writablePages < (budgetPages ?? Math.floor(fraction * residentPages));
    },
    revokes: (_nid, pressure) => revokeAt !== null && pressure >= revokeAt,
  };
}

/** Plugin: a share of a node's pages may be stored to in place (RFC v4, "Future CRAM"). */
export function writableFraction(options: WritableFractionOptions): Plugin {
  const policy = writableFractionPolicy(options);
  return {
    name: 'writable-fraction',
    register: (services) => services.bindValue(WritePolicyToken, policy),
  };
}

/**
 * Largest share of pages that may be writable without any reaction time: all of them may turn
 * incompressible and the device still holds them (cost model specification, H3).
 * @param fill share of the capacity in use
 * @param ratio compression ratio of the pages
 */
export function safeWritableFraction(fill: number, ratio: number): number {
  return Math.min(1, (1 - fill) / (fill * (ratio - 1)));
}
