import { basename } from 'node:path';
import { TraceError } from '@mm-lab/workloads';

/** Code and message of the TraceError that `run` ends with, the file named without its folder. */
export async function failureOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof TraceError)) throw error;
    const message =
      error.file === undefined
        ? error.message
        : error.message.replace(error.file, basename(error.file));
    return `${error.code} ${message}`;
  }
  return 'no error';
}

/** `parsed` or `refused`; every other error is thrown on. */
export async function outcomeOf(run: () => unknown): Promise<'parsed' | 'refused'> {
  try {
    await run();
    return 'parsed';
  } catch (error) {
    if (error instanceof TraceError) return 'refused';
    throw error;
  }
}
