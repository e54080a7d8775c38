import {
  type AddressSpaceEvent,
  capturedPages,
  driftingPages,
  type PageCapture,
  type PageData,
  type PageTrace,
  syntheticPages,
} from '@mm-lab/workloads';
import { type ContentsSpec, DEFAULT_CONTENTS, type PlayedWorkload } from './workload-spec.js';

/**
 * A workload in memory; every typed array of it lies in a SharedArrayBuffer, so threads share it.
 */
export interface LoadedWorkload {
  readonly trace: PageTrace;
  /** Recorded contents, if there are any. */
  readonly capture: PageCapture | undefined;
  /** Made-up contents, used when none were recorded. */
  readonly contents: ContentsSpec | undefined;
  readonly events: readonly AddressSpaceEvent[] | undefined;
}

/** What an experiment's functions may know of it. */
export function playedOf({ trace }: LoadedWorkload): PlayedWorkload {
  const { name, rows, accesses, pages } = trace;
  return { name, rows, accesses, pages };
}

/** The bytes behind the pages; every thread makes its own from the shared columns. */
export function pageDataOf(workload: LoadedWorkload, seed: number): PageData {
  if (workload.capture !== undefined) return capturedPages(workload.capture, { seed });
  const contents = workload.contents ?? DEFAULT_CONTENTS;
  return contents.kind === 'drifting'
    ? driftingPages({ ...contents, seed })
    : syntheticPages({ ...contents, seed });
}
