import { MmError } from '@mm-lab/mm-core';
import { TraceError } from '@mm-lab/workloads';
import { expect, test } from 'vitest';
import { endingOf } from '../../src/command/exit.js';
import { LabError } from '../../src/error/lab-error.js';
import { WorkerError } from '../../src/run/worker-protocol.js';

test('a mistake is one line and code 2, wherever it was made', () => {
  const failure = {
    name: 'MmError',
    message: 'no memory',
    stack: 'MmError\n  at x',
    expected: true,
  };
  const mistakes = [
    new LabError('SIZE_BAD', '"x" is not a size'),
    new MmError('MACHINE_NO_MEMORY'),
    new TraceError('TRACE_EMPTY', { what: 'nothing in it', file: 'a.csv' }),
    new WorkerError(failure),
  ];
  for (const { text, code } of mistakes.map(endingOf)) {
    expect([code, text.split('\n').length, /^mm-lab: /.test(text)]).toEqual([2, 1, true]);
  }
});

test('a bug shows where it is, and Ctrl-C says that nothing was kept', () => {
  expect(endingOf(new RangeError('oops'))).toMatchObject({
    code: 1,
    text: expect.stringMatching(/RangeError: oops\n\s+at /),
  });
  expect(endingOf(new LabError('INTERRUPTED', 'x'))).toEqual({
    code: 130,
    text: 'mm-lab: interrupted, nothing was kept',
  });
});
