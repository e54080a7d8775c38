import { type OptionCheck, SEEDS } from '@mm-lab/mm-core';

/** Threshold interrupts that go wrong: a safe driver survives them or says that it does not. */
export interface InterruptFaults {
  /** Share of interrupts that never arrive, 0..1. Default 0. */
  readonly lossProbability?: number;
  /** Share of interrupts that arrive `lateNs` later, 0..1. Default 0. */
  readonly lateProbability?: number;
  /** Additional delay of a late interrupt, in ns. Default 0. A late one may be overtaken. */
  readonly lateNs?: number;
  /** Simulated time from which on no interrupt arrives, in ns. Default Infinity. */
  readonly deadFromNs?: number;
  /** Seed of the choice. Default 1. */
  readonly seed?: number;
}

/** A mailbox that goes wrong. */
export interface MailboxFaults {
  /** Share of commands that take `slowNs` longer, 0..1. Default 0. */
  readonly slowProbability?: number;
  /**
   * Additional time of a slow command, in ns. Default 0. Beyond the timeout the driver gives the
   * command up, and the device does it all the same.
   */
  readonly slowNs?: number;
  /** Simulated time before which no command is slow, in ns. Default 0. */
  readonly slowFromNs?: number;
  /** Share of commands that the device answers with an error, 0..1. Default 0. */
  readonly failProbability?: number;
  /** Simulated time from which on no command is answered or done, in ns. Default Infinity. */
  readonly deadFromNs?: number;
  /** Seed of the choice. Default 1. */
  readonly seed?: number;
}

/** A medium that goes wrong. */
export interface PoisonFaults {
  /** Share of stores that are lost though there was room, 0..1. Default 0. */
  readonly storeProbability?: number;
  /** Seed of the choice. Default 1. */
  readonly seed?: number;
}

/** Every fault of the device, filled in. */
export interface DeviceFaults {
  readonly interruptFaults: Readonly<Required<InterruptFaults>>;
  readonly mailboxFaults: Readonly<Required<MailboxFaults>>;
  readonly poisonFaults: Readonly<Required<PoisonFaults>>;
}

/** What an experiment may say of them. */
export interface FaultOptions {
  readonly interruptFaults?: InterruptFaults;
  readonly mailboxFaults?: MailboxFaults;
  readonly poisonFaults?: PoisonFaults;
}

/** Fills in and checks. @throws MmError DEVICE_BAD_OPTION */
export function faultsOf(check: OptionCheck, options: FaultOptions): DeviceFaults {
  return {
    interruptFaults: interruptFaultsOf(check, options.interruptFaults ?? {}),
    mailboxFaults: mailboxFaultsOf(check, options.mailboxFaults ?? {}),
    poisonFaults: poisonFaultsOf(check, options.poisonFaults ?? {}),
  };
}

function interruptFaultsOf(check: OptionCheck, faults: InterruptFaults): Required<InterruptFaults> {
  const filled = {
    lossProbability: faults.lossProbability ?? 0,
    lateProbability: faults.lateProbability ?? 0,
    lateNs: faults.lateNs ?? 0,
    deadFromNs: faults.deadFromNs ?? Infinity,
    seed: faults.seed ?? 1,
  };
  check.known(faults, Object.keys(filled));
  check.share('interruptFaults.lossProbability', filled.lossProbability);
  check.share('interruptFaults.lateProbability', filled.lateProbability);
  check.number('interruptFaults.lateNs', filled.lateNs, [0, Number.MAX_VALUE]);
  check.numberOrInfinity('interruptFaults.deadFromNs', filled.deadFromNs, [0, Number.MAX_VALUE]);
  check.integer('interruptFaults.seed', filled.seed, SEEDS);
  return filled;
}

function mailboxFaultsOf(check: OptionCheck, faults: MailboxFaults): Required<MailboxFaults> {
  const filled = {
    slowProbability: faults.slowProbability ?? 0,
    slowNs: faults.slowNs ?? 0,
    slowFromNs: faults.slowFromNs ?? 0,
    failProbability: faults.failProbability ?? 0,
    deadFromNs: faults.deadFromNs ?? Infinity,
    seed: faults.seed ?? 1,
  };
  check.known(faults, Object.keys(filled));
  check.share('mailboxFaults.slowProbability', filled.slowProbability);
  check.number('mailboxFaults.slowNs', filled.slowNs, [0, Number.MAX_VALUE]);
  check.number('mailboxFaults.slowFromNs', filled.slowFromNs, [0, Number.MAX_VALUE]);
  check.share('mailboxFaults.failProbability', filled.failProbability);
  check.numberOrInfinity('mailboxFaults.deadFromNs', filled.deadFromNs, [0, Number.MAX_VALUE]);
  check.integer('mailboxFaults.seed', filled.seed, SEEDS);
  return filled;
}

function poisonFaultsOf(check: OptionCheck, faults: PoisonFaults): Required<PoisonFaults> {
  const filled = { storeProbability: faults.storeProbability ?? 0, seed: faults.seed ?? 1 };
  check.known(faults, Object.keys(filled));
  check.share('poisonFaults.storeProbability', filled.storeProbability);
  check.integer('poisonFaults.seed', filled.seed, SEEDS);
  return filled;
}
