import { z } from 'zod';
import type { TraceDescription } from '../trace/trace-description.js';
import { TraceError } from '../trace/trace-error.js';
import { openSource } from './byte-source.js';
import { requireFormat } from './file-format.js';
import { type ReadOptions, reportProgress } from './read-options.js';

/** Longest description in bytes. */
export const DESCRIPTION_BYTES_MAX = 2 ** 20;

/**
 * Reads a trace's JSON description; fields that this package does not know are left out.
 *
 * @throws TraceError TRACE_NOT_FOUND, TRACE_UNREADABLE, TRACE_EMPTY, TRACE_TRUNCATED, TRACE_CORRUPT
 *   (not JSON, a field missing or of another type), TRACE_WRONG_FORMAT, TRACE_OVER_LIMIT
 */
export async function readDescription(
  file: string,
  options: ReadOptions = {},
): Promise<TraceDescription> {
  await requireFormat(file, 'description');
  const source = await openSource(file);
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source.chunks()) {
    parts.push(chunk);
    bytes += chunk.length;
    if (bytes <= DESCRIPTION_BYTES_MAX) continue;
    const what = `the description has over ${DESCRIPTION_BYTES_MAX} bytes (limit bytesMax)`;
    throw new TraceError('TRACE_OVER_LIMIT', { file, what, hint: 'descriptions are small' });
  }
  reportProgress(options, source, 1);
  const parsed = DESCRIPTION.safeParse(parseJson(file, Buffer.concat(parts).toString('utf8')));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') || 'the document';
  throw new TraceError('TRACE_CORRUPT', {
    file,
    what: `${field}: ${issue?.message ?? 'is not as expected'}`,
  });
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    const what = `not valid JSON: ${problem.replaceAll(/\s+/g, ' ')}`;
    throw new TraceError('TRACE_CORRUPT', { file, what, cause });
  }
}

const COUNT = z.int().nonnegative();
const FILE_NAME = z.string().regex(/^[^/\\]*$/, 'must be a file name without a folder');

const DESCRIPTION = z
  .object({
    program: z.string().min(1),
    title: z.string().default(''),
    command: z.string().default(''),
    input: z.string().default(''),
    trace: FILE_NAME.min(1),
    events: FILE_NAME,
    window_instructions: COUNT.min(1),
    time_quantum: COUNT.min(1),
    instructions: COUNT.min(1),
    rows: COUNT,
    rows_by_op: z.record(z.string(), COUNT),
    unique_pages: z.object({ all: COUNT, code: COUNT, data: COUNT, written: COUNT }),
    mean_pages_per_window: z.number(),
    max_pages_per_window: COUNT,
    lru: z.object({
      cold: COUNT,
      points: z.array(z.object({ pages: COUNT, exact: COUNT, reduced: COUNT })),
    }),
    snapshots: z.array(z.object({ snap: COUNT, t: COUNT, pages: COUNT })).min(1),
    core: z.object({ snap: COUNT, t: COUNT, pages: COUNT }),
  })
  .transform(
    (file): TraceDescription => ({
      program: file.program,
      title: file.title,
      command: file.command,
      input: file.input,
      traceFile: file.trace,
      eventsFile: file.events,
      windowInstructions: file.window_instructions,
      timeQuantum: file.time_quantum,
      instructions: file.instructions,
      rows: file.rows,
      rowsByOp: file.rows_by_op,
      uniquePages: file.unique_pages,
      meanPagesPerWindow: file.mean_pages_per_window,
      maxPagesPerWindow: file.max_pages_per_window,
      lru: file.lru,
      snapshots: file.snapshots,
      core: file.core,
    }),
  );
