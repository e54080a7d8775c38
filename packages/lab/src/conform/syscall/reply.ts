import { errnoName, type SignalInfo } from '@mm-lab/mm-core';
import type { JsonObject } from '../json.js';
import { StepError } from '../step.js';

/** A signal that a step ended with. */
export interface CaughtSignal {
  readonly sig: string;
  readonly code: string;
  /** Index of the failing page of an access. */
  readonly page?: number;
}

/** What a step gave back, before any check looks at the machine. */
export interface Reply {
  /** 0 or more, or -1 with `errno`; `addr` and `page` stand for an address and a page. */
  readonly ret: number | 'addr' | 'page';
  readonly errno?: string;
  readonly signal?: CaughtSignal;
  /** The process is gone, killed by this. */
  readonly killed?: string;
  readonly out?: JsonObject;
  readonly status?: readonly (number | string)[];
}

/** A signal by the manual's names. @throws StepError if there was none */
export function signalOf(info: SignalInfo | null): CaughtSignal {
  if (info === null) throw new StepError('a signal without a reason');
  const prefix = info.signal === 'SIGBUS' ? 'BUS' : 'SEGV';
  return { sig: info.signal, code: `${prefix}_${info.code}` };
}

export const DONE: Reply = { ret: 0 };

/** Result of a call that returns -errno. */
export function replyOf(rc: number, out?: JsonObject): Reply {
  if (rc < 0) return { ret: -1, errno: errnoName(-rc), ...(out === undefined ? {} : { out }) };
  return out === undefined ? { ret: rc } : { ret: rc, out };
}
