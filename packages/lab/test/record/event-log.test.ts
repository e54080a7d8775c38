import { createTracepoints } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { EventLog } from '../../src/record/event-log.js';
import { traceFileOf } from '../../src/record/perfetto.js';

test('kswapd wake and sleep become a slice, the rest moments, in tracks by actor', () => {
  let now = 0;
  const tracepoints = createTracepoints(() => now);
  const log = new EventLog();
  log.listen(tracepoints);
  now = 100;
  tracepoints.mm_vmscan_kswapd_wake.emit(0, 0);
  now = 150;
  tracepoints.device_interrupt.emit(1, 12);
  now = 400;
  tracepoints.mm_vmscan_kswapd_wake.emit(0, 0);
  tracepoints.mm_vmscan_kswapd_sleep.emit(0);
  now = 500;
  tracepoints.mm_vmscan_kswapd_wake.emit(1, 0);
  now = 900;
  expect(log.finish(now)).toEqual([
    {
      name: 'device interrupts',
      seen: 1,
      stride: 1,
      events: [{ at: 150, name: 'vector 12', args: { nid: 1, vector: 12 } }],
    },
    {
      name: 'kswapd0',
      seen: 1,
      stride: 1,
      events: [{ at: 100, durationNs: 300, name: 'awake', args: { nid: 0 } }],
    },
    {
      name: 'kswapd1',
      seen: 1,
      stride: 1,
      events: [{ at: 500, durationNs: 400, name: 'awake', args: { nid: 1 } }],
    },
  ]);
});

test('the trace file is bounded, and says where it left events out', () => {
  const tracepoints = createTracepoints(() => 0);
  const log = new EventLog(8);
  log.listen(tracepoints);
  for (let call = 0; call < 100; call++) tracepoints.mm_migrate_pages.emit(call, 0, 0, 0);
  const series = { intervalNs: 1, time: [10, 20, 30], progress: [0, 0, 0], columns: {} };
  const file = traceFileOf('test', [
    {
      name: 'cram',
      series: { ...series, columns: { 'node.0.used_pages': [5, 5, 7], 'node.0.pages': [9, 9, 9] } },
      tracks: log.finish(0),
    },
  ]);
  expect(file.metadata.sampling).toEqual({
    'cram: migration': 'one event in 16 of 100 is kept',
  });
  expect(file.traceEvents.filter(({ ph }) => ph === 'i')).toHaveLength(7);
  expect(file.traceEvents.filter(({ ph }) => ph === 'C')).toMatchInlineSnapshot(`
    [
      {
        "args": {
          "pages": 5,
        },
        "name": "node.0.used_pages",
        "ph": "C",
        "pid": 1,
        "tid": 0,
        "ts": 0.01,
      },
      {
        "args": {
          "pages": 7,
        },
        "name": "node.0.used_pages",
        "ph": "C",
        "pid": 1,
        "tid": 0,
        "ts": 0.03,
      },
    ]
  `);
});
