import {
  listTrace,
  openTrace,
  readDescription,
  shippedTrace,
  traceSummary,
} from '@mm-lab/workloads';
import { describe, expect, test } from 'vitest';
import { failureOf } from '../helpers/trace-failure.js';

describe('traceSummary', () => {
  test('agrees with what the recorder counted', async () => {
    const { trace: file, description: descriptionFile } = shippedTrace('redis-kv');
    const trace = await openTrace(file, { ops: 'all' });
    const description = await readDescription(descriptionFile);
    const summary = traceSummary(trace, { windowLength: description.windowInstructions });
    expect({
      rows: Object.fromEntries(summary.byKind.map(({ letter, rows }) => [letter, rows])),
      pages: summary.pages,
      written: summary.pagesWritten,
      mean: Number(summary.windows.pagesMean.toFixed(1)),
      max: summary.windows.pagesMax,
    }).toEqual({
      rows: description.rowsByOp,
      pages: description.uniquePages.all,
      written: description.uniquePages.written,
      mean: description.meanPagesPerWindow,
      max: description.maxPagesPerWindow,
    });
    expect(summary.byKind.map(({ accesses }) => accesses)).toEqual([
      832975863, 218640074, 106421789, 12107, 805216,
    ]);
    expect({
      accesses: summary.accesses,
      regions: summary.regions,
      writeShare: Number(summary.writeShare.toFixed(3)),
      times: [summary.timeFirst, summary.timeLast, summary.timeQuantum],
      workingSet: summary.workingSet.map(({ pages }) => Math.round(pages)),
    }).toMatchInlineSnapshot(`
      {
        "accesses": 1158855049,
        "regions": 30,
        "times": [
          0,
          831931000,
          51500,
        ],
        "workingSet": [
          35,
          70,
          138,
          272,
          527,
          969,
          1356,
          1747,
          2168,
          2626,
          3121,
          3637,
          4209,
          4759,
          5505,
        ],
        "writeShare": 0.327,
      }
    `);
  });

  test('counts a trace of one row', () => {
    const { windows, workingSet, timeFirst, timeLast } = traceSummary(listTrace([5]));
    expect({ windows, workingSet, timeFirst, timeLast }).toEqual({
      windows: { length: 32, count: 1, pagesMean: 1, pagesMax: 1 },
      workingSet: [{ window: 1, pages: 1 }],
      timeFirst: 0,
      timeLast: 0,
    });
  });

  test('refuses a window without a length', async () => {
    expect(await failureOf(() => traceSummary(listTrace([5]), { windowLength: 0 }))).toContain(
      'TRACE_BAD_OPTION windowLength is 0',
    );
  });
});
