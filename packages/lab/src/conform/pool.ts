import { Worker } from 'node:worker_threads';
import { messageOf } from '../error/lab-error.js';
import type { ConformCase } from './conform-case.js';
import { numberAt } from './json.js';
import type { Outcome } from './outcome.js';
import { broken, runCase } from './run-case.js';

/** How cases are run. */
export interface PoolOptions {
  /** Threads; one case runs in one of them at a time. */
  readonly threads: number;
  /** A case that takes longer has failed, and its thread is given up. */
  readonly caseMsMax: number;
  readonly onOutcome?: (outcome: Outcome) => void;
}

/**
 * Runs cases in threads, so that one that never ends or takes all memory fails alone. Outcomes come
 * in the order of the cases.
 */
export async function runCases(
  cases: readonly ConformCase[],
  options: PoolOptions,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = new Array(cases.length);
  const queue = cases.map((found, at) => ({ found, at }));
  const serve = async (): Promise<void> => {
    const thread = new CaseThread(options.caseMsMax);
    try {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
        const isSkipped = job.found.kind === 'skipped';
        const outcome = isSkipped ? runCase(job.found) : await thread.run(job.found);
        outcomes[job.at] = outcome;
        options.onOutcome?.(outcome);
      }
    } finally {
      await thread.end();
    }
  };
  await Promise.all(Array.from({ length: options.threads }, serve));
  return outcomes;
}

/** One thread that is replaced when a case broke it. */
class CaseThread {
  private worker: Worker | null = null;

  constructor(private readonly caseMsMax: number) {}

  run(found: ConformCase): Promise<Outcome> {
    this.worker ??= new Worker(new URL('./worker.js', import.meta.url));
    const worker = this.worker;
    return new Promise((resolve) => {
      const settle = (outcome: Outcome): void => {
        clearTimeout(timer);
        worker.off('message', settle).off('error', broke).off('exit', ended);
        resolve(outcome);
      };
      const fail = (message: string): void => {
        this.worker = null;
        settle(lost(found, message));
        void worker.terminate();
      };
      const broke = (error: unknown): void => fail(`the thread broke: ${messageOf(error)}`);
      const ended = (code: number): void => fail(`the thread ended with code ${code}`);
      const msMax = Math.max(this.caseMsMax, ownMsMax(found));
      const late = (): void => fail(`took more than ${msMax / 1000} s`);
      const timer = setTimeout(late, msMax);
      worker.on('message', settle).on('error', broke).on('exit', ended);
      worker.postMessage(found);
    });
  }

  async end(): Promise<void> {
    await this.worker?.terminate();
    this.worker = null;
  }
}

/** A scenario may say that it takes longer. */
function ownMsMax(found: ConformCase): number {
  return found.kind === 'scenario' ? 2000 * numberAt(found.kase, 'timeout_s') : 0;
}

function lost({ id, family }: ConformCase, message: string): Outcome {
  const findings = [broken('', message)];
  return { id, family, verdict: 'failed', findings, steps: [], ms: 0 };
}
