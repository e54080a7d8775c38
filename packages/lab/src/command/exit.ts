import { CommanderError } from 'commander';
import { isExpectedError, messageOf } from '../error/lab-error.js';
import { WorkerError } from '../run/worker-protocol.js';

/** Exit codes of the command. */
export const EXIT = {
  ok: 0,
  /** A bug, or a claim that does not hold. */
  failure: 1,
  /** A user's mistake: an option, a file, a full disk. */
  usage: 2,
  /** Ctrl-C: 128 and the number of the signal. */
  interrupted: 130,
} as const;

/** How the command ends after an error: what it writes and with which code. */
export interface Ending {
  readonly text: string;
  readonly code: number;
}

/** One line for a mistake, the stack for a bug. */
export function endingOf(error: unknown): Ending {
  if (error instanceof CommanderError) return endingOfCommander(error);
  if (isInterrupt(error))
    return { text: 'mm-lab: interrupted, nothing was kept', code: EXIT.interrupted };
  const isExpected = isExpectedError(error) || (error instanceof WorkerError && error.expected);
  if (isExpected) return { text: `mm-lab: ${messageOf(error)}`, code: EXIT.usage };
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { text: `mm-lab: this is a bug in mm-lab or in a plugin\n${stack}`, code: EXIT.failure };
}

/** Commander has printed help and version itself, and is silent about mistakes, which we print. */
function endingOfCommander(error: CommanderError): Ending {
  if (error.exitCode === 0) return { text: '', code: EXIT.ok };
  // A group of commands without a word for which: its help was printed.
  if (error.code === 'commander.help') return { text: '', code: EXIT.usage };
  const text = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  return { text: `mm-lab: ${text} (see mm-lab --help)`, code: EXIT.usage };
}

function isInterrupt(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'INTERRUPTED';
}
