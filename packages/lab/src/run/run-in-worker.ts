import { Worker } from 'node:worker_threads';
import { LabError } from '../error/lab-error.js';
import type { VariantOutcome, VariantProgress } from './variant-outcome.js';
import { WorkerError, type WorkerJob, type WorkerMessage } from './worker-protocol.js';

/** How a job is watched and stopped. */
export interface WorkerOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: VariantProgress) => void) | undefined;
}

/**
 * Runs one variant in a thread of its own.
 *
 * @throws LabError INTERRUPTED once `signal` is aborted, WORKER_LOST if the thread died
 *   without a word;
 *   WorkerError for what the variant threw
 */
export async function runInWorker(job: WorkerJob, options: WorkerOptions): Promise<VariantOutcome> {
  options.signal.throwIfAborted();
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: job });
  const stop = () => void worker.terminate();
  options.signal.addEventListener('abort', stop, { once: true });
  try {
    return await outcomeOf(worker, job.variant, options);
  } finally {
    options.signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}

function outcomeOf(
  worker: Worker,
  variant: string,
  options: WorkerOptions,
): Promise<VariantOutcome> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: WorkerMessage) => {
      if (message.type === 'progress') options.onProgress?.(message.progress);
      if (message.type === 'done') resolve(message.outcome);
      if (message.type === 'failed') reject(new WorkerError(message.failure));
    });
    worker.on('error', reject);
    worker.on('exit', (code) => {
      if (options.signal.aborted) reject(options.signal.reason);
      else reject(new LabError('WORKER_LOST', `the worker of ${variant} ended with code ${code}`));
    });
  });
}
