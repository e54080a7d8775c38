import { assert, type Clock, E2BIG, ENXIO, ETIMEDOUT, Prng } from '@mm-lab/mm-core';
import type { MailboxFaults } from './faults.js';
import type { MailboxSettings } from './mailbox-options.js';
import { isMediaZero, type MediaOperation, payloadBytesOf } from './media-operation.js';

/** How a driver waits for a command that goes on in the background. */
export interface Polling {
  readonly intervalNs: number;
  /** Polls before it gives the command up. */
  readonly count: number;
}

/** Hears what became of a command: 0 or -errno. */
export type Answer = (rc: number) => void;

/** What became of the commands so far. */
export interface MailboxCounts {
  readonly commands: number;
  /** Answered with an error. */
  readonly failed: number;
  /** Given up by the driver. */
  readonly timedOut: number;
  /** Done after the driver had given them up. */
  readonly lateEffects: number;
}

/** Commands that may wait for the mailbox: more is a driver that never listens. */
const WAITING_MAX = 1 << 16;

interface Waiting {
  readonly command: MediaOperation;
  readonly polling: Polling;
  readonly answer: Answer;
}

/**
 * The mailbox with the driver's side of it (drivers/cxl/pci.c:__cxl_pci_mbox_send_cmd): one command
 * at a time, the others wait (mbox_mutex).
 *
 * A command: waiting --doorbell--> sent --answered in time--> done, or, with background work,
 * accepted --a poll finds it finished--> done; sent --timeout--> given up; accepted --polls used
 * up--> given up. What is given up the device may still do later: nothing takes it back.
 */
export class Mailbox {
  private readonly chance: Prng;
  private readonly waiting: Waiting[] = [];
  private taken = false;
  /** The doorbell stays rung until then, whoever still listens. */
  private doorbellUntilNs = 0;
  /** The device works in the background until then. */
  private backgroundUntilNs = 0;
  private commands = 0;
  private failed = 0;
  private timedOut = 0;
  private lateEffects = 0;

  constructor(
    private readonly settings: MailboxSettings,
    private readonly faults: Readonly<Required<MailboxFaults>>,
    private readonly clock: Clock,
    /** The device does it; 0 or -errno. */
    private readonly execute: (command: MediaOperation) => number,
  ) {
    this.chance = new Prng(faults.seed);
  }

  get payloadBytes(): number {
    return this.settings.payloadBytes;
  }

  /**
   * Sends a command and returns at once; `answer` is called later, exactly once: 0; -E2BIG it does
   * not fit the payload; -ENXIO the device refuses it, failed, or is still busy in the background;
   * -EFAULT a range outside of the device; -ETIMEDOUT no answer in time.
   */
  send(command: MediaOperation, polling: Polling, answer: Answer): void {
    assert(this.waiting.length < WAITING_MAX, 'commands that wait have a bound');
    this.waiting.push({ command, polling, answer });
    this.next();
  }

  /**
   * Is the doorbell rung, or does the device say that it works in the background? Until neither is
   * so, a command that was given up may still be done. A dead device says so for ever.
   */
  isBusy(): boolean {
    const { now } = this.clock;
    return this.isDead() || now < this.doorbellUntilNs || now < this.backgroundUntilNs;
  }

  counts(): MailboxCounts {
    const { commands, failed, timedOut, lateEffects } = this;
    return { commands, failed, timedOut, lateEffects };
  }

  private next(): void {
    if (this.taken) return;
    const first = this.waiting.shift();
    if (first === undefined) return;
    this.taken = true;
    this.commands += 1;
    this.run(first, (rc) => {
      this.taken = false;
      if (rc === -ETIMEDOUT) this.timedOut += 1;
      else if (rc < 0) this.failed += 1;
      first.answer(rc);
      this.next();
    });
  }

  private run({ command, polling }: Waiting, done: Answer): void {
    const { commandNs, timeoutNs, payloadBytes } = this.settings;
    if (payloadBytesOf(command) > payloadBytes) {
      this.clock.after(0, () => done(-E2BIG));
      return;
    }
    const waitNs = Math.max(0, this.doorbellUntilNs - this.clock.now);
    if (waitNs > timeoutNs || this.isDead()) {
      this.clock.after(timeoutNs, () => done(-ETIMEDOUT));
      return;
    }
    const { failProbability, slowProbability, slowNs, slowFromNs } = this.faults;
    const isBroken = this.chance.chance(failProbability);
    const isSlow = this.chance.chance(slowProbability) && this.clock.now >= slowFromNs;
    const takesNs = commandNs + (isSlow ? slowNs : 0);
    const atOnce = this.refuses(command, this.clock.now + waitNs) || isBroken;
    this.doorbellUntilNs = this.clock.now + waitNs + takesNs;
    if (takesNs > timeoutNs) {
      this.clock.after(waitNs + timeoutNs, () => done(-ETIMEDOUT));
      const lateNs = waitNs + takesNs + this.backgroundNsOf(command);
      if (atOnce) return;
      this.doLater(command, lateNs);
      if (lateNs > waitNs + takesNs) this.backgroundUntilNs = this.clock.now + lateNs;
      return;
    }
    this.clock.after(waitNs + takesNs, () => {
      if (this.isDead()) this.clock.after(timeoutNs - takesNs, () => done(-ETIMEDOUT));
      else if (atOnce) done(-ENXIO);
      else this.accepted(command, polling, done);
    });
  }

  /** The command has been answered; what is left of it goes on in the background. */
  private accepted(command: MediaOperation, polling: Polling, done: Answer): void {
    const backgroundNs = this.backgroundNsOf(command);
    if (backgroundNs === 0) {
      done(this.execute(command));
      return;
    }
    const { intervalNs, count } = polling;
    this.backgroundUntilNs = this.clock.now + backgroundNs;
    const polls = Math.ceil(backgroundNs / intervalNs);
    if (polls > count) {
      this.clock.after(count * intervalNs, () => done(-ETIMEDOUT));
      this.doLater(command, backgroundNs);
      return;
    }
    let rc = 0;
    this.clock.after(backgroundNs, () => {
      rc = this.isDead() ? -ETIMEDOUT : this.execute(command);
    });
    this.clock.after(polls * intervalNs, () => done(rc));
  }

  /** Nobody listens any more, and the device does it. */
  private doLater(command: MediaOperation, delayNs: number): void {
    this.clock.after(delayNs, () => {
      if (this.isDead()) return;
      if (this.execute(command) === 0) this.lateEffects += 1;
    });
  }

  /** An operation that it does not know, or it is busy with another one in the background. */
  private refuses(command: MediaOperation, atNs: number): boolean {
    if (!isMediaZero(command) || !this.settings.zero) return true;
    return atNs < this.backgroundUntilNs;
  }

  private backgroundNsOf({ ranges }: MediaOperation): number {
    return ranges.length === 0 ? 0 : this.settings.backgroundNs;
  }

  private isDead(): boolean {
    return this.clock.now >= this.faults.deadFromNs;
  }
}
