// @entry of a worker thread: runs one variant and ends.

import { parentPort, workerData } from 'node:worker_threads';
import { isExpectedError, messageOf } from '../error/lab-error.js';
import { loadExperiment } from '../experiment/load-experiment.js';
import { runVariant } from './variant-run.js';
import type { WorkerFailure, WorkerJob, WorkerMessage } from './worker-protocol.js';

const PROGRESS_MS = 100;

async function work(job: WorkerJob): Promise<WorkerMessage> {
  try {
    const experiment = await loadExperiment(job.experiment);
    let toldAt = 0;
    const outcome = runVariant({
      ...job,
      experiment,
      onProgress: (progress) => {
        const now = performance.now();
        if (now - toldAt < PROGRESS_MS) return;
        toldAt = now;
        say({ type: 'progress', progress });
      },
    });
    return { type: 'done', outcome };
  } catch (error) {
    return { type: 'failed', failure: failureOf(error) };
  }
}

function failureOf(error: unknown): WorkerFailure {
  const expected = isExpectedError(error);
  const name = error instanceof Error ? error.name : 'Error';
  const stack = error instanceof Error ? error.stack : undefined;
  return { name, message: messageOf(error), stack, expected };
}

function say(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

say(await work(workerData));
