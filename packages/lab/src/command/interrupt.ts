import { LabError } from '../error/lab-error.js';
import { EXIT } from './exit.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs work that Ctrl-C (or a polite kill) aborts: the signal's reason is the error that then ends
 * the work. A second Ctrl-C ends the process at once.
 *
 * @throws LabError INTERRUPTED
 */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    // We stay subscribed: whoever counts the listeners (the live display does) must not think that
    // nobody minds the signal.
    controller.abort(new LabError('INTERRUPTED', 'interrupted'));
  };
  const release = () => {
    for (const name of SIGNALS) process.off(name, onSignal);
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  try {
    return await work(controller.signal);
  } finally {
    release();
  }
}
