import {
  type CxlCompressOptions,
  type MailboxFaults,
  type MailboxOptions,
  mediaZero,
} from '@mm-lab/backend-cxl-compress';
import { errnoName, PAGE_SIZE } from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import { CXL_MBOX_OP_MEDIA_OPERATION } from '../../src/device/media-operation.js';
import { BASE, plug } from './plugged-device.js';

const SMALL = { logicalPages: 16, capacityBytes: 16 * PAGE_SIZE } as const;
const POLLING = { intervalNs: 1000, count: 3 } as const;
const MAILBOX: MailboxOptions = { commandNs: 100, timeoutNs: 2000 };
const PAGE_0 = [{ dpa: 0, bytes: PAGE_SIZE }];

/** Sends one command after another and writes down when each was answered, and how. */
function mailboxOf(options: Partial<CxlCompressOptions>) {
  const plugged = plug({ ...SMALL, mailbox: MAILBOX, ...options });
  const { device, clock } = plugged;
  const answers: (readonly [at: number, answer: string])[] = [];
  const send = (command = mediaZero(PAGE_0)) =>
    device.mailbox.send(command, POLLING, (rc) => {
      answers.push([clock.now, rc === 0 ? 'done' : errnoName(rc)]);
    });
  device.store(BASE, 4096);
  return { ...plugged, answers, send };
}

function withFaults(mailboxFaults: MailboxFaults, mailbox: MailboxOptions = {}) {
  return mailboxOf({ mailbox: { ...MAILBOX, ...mailbox }, mailboxFaults });
}

describe('Media Operations, zero', () => {
  test('zeroes the pages of its ranges when the command is done, not before', () => {
    const { device, clock, answers, send } = mailboxOf({});
    device.store(BASE + 1, 4096);
    device.store(BASE + 2, 4096);
    send(mediaZero([...PAGE_0, { dpa: 2 * PAGE_SIZE, bytes: PAGE_SIZE }]));
    const before = device.usedBytes();
    clock.advance(1000);
    expect([before, device.usedBytes(), device.storedBytes(BASE + 1)]).toEqual([
      12_288, 4096, 4096,
    ]);
    expect(answers).toEqual([[100, 'done']]);
  });

  test('without ranges tells whether the device knows it', () => {
    const knows = mailboxOf({});
    const knowsNot = mailboxOf({ mailbox: { ...MAILBOX, zero: false } });
    for (const { send, clock } of [knows, knowsNot]) {
      send(mediaZero([]));
      clock.advance(1000);
    }
    expect([knows.answers, knowsNot.answers]).toEqual([[[100, 'done']], [[100, 'ENXIO']]]);
  });

  test('is refused with another subclass, outside of the device, or beyond the payload', () => {
    const { clock, answers, send } = mailboxOf({ mailbox: { ...MAILBOX, payloadBytes: 256 } });
    send({ opcode: CXL_MBOX_OP_MEDIA_OPERATION, mediaClass: 1, subclass: 0, ranges: [] });
    send(mediaZero([{ dpa: 16 * PAGE_SIZE, bytes: PAGE_SIZE }]));
    send(mediaZero(Array.from({ length: 16 }, () => ({ dpa: 0, bytes: PAGE_SIZE }))));
    clock.advance(1000);
    expect(answers.map(([, answer]) => answer)).toEqual(['ENXIO', 'EFAULT', 'E2BIG']);
  });
});

describe('a mailbox', () => {
  test('does one command at a time, in order', () => {
    const { clock, answers, send } = mailboxOf({});
    for (let sent = 0; sent < 3; sent++) send();
    clock.advance(1000);
    expect(answers.map(([at]) => at)).toEqual([100, 200, 300]);
  });

  test('is polled for what goes on in the background', () => {
    const { device, clock, answers, send } = withFaults({}, { backgroundNs: 1500 });
    send();
    clock.advance(1650);
    const zeroedAt = device.usedBytes();
    clock.advance(1000);
    expect([zeroedAt, answers]).toEqual([0, [[2100, 'done']]]);
  });

  test('is given up after the last poll, and zeroes all the same', () => {
    const { device, clock, answers, send, stats } = withFaults({}, { backgroundNs: 5000 });
    send();
    clock.advance(3200);
    const whenGivenUp = device.usedBytes();
    send();
    clock.advance(5000);
    expect([whenGivenUp, device.usedBytes()]).toEqual([4096, 0]);
    expect(answers).toEqual([
      [3100, 'ETIMEDOUT'],
      [3300, 'ENXIO'],
    ]);
    expect(stats()['device.commands.late_effects']).toBe(1);
  });

  test('that is slow beyond the timeout does it late, too', () => {
    const { device, clock, answers, send } = withFaults({ slowProbability: 1, slowNs: 3000 });
    send();
    clock.advance(2500);
    const whenGivenUp = device.usedBytes();
    clock.advance(1000);
    expect([answers, whenGivenUp, device.usedBytes()]).toEqual([[[2000, 'ETIMEDOUT']], 4096, 0]);
  });

  test('that is dead does nothing, ever', () => {
    const { device, clock, answers, send } = withFaults({ deadFromNs: 50 });
    send();
    clock.advance(3000);
    send();
    clock.advance(1_000_000);
    expect(answers).toEqual([
      [2000, 'ETIMEDOUT'],
      [5000, 'ETIMEDOUT'],
    ]);
    expect(device.usedBytes()).toBe(4096);
  });

  test('fails as often as it is told to, the same for the same seed', () => {
    const run = (seed: number) => {
      const { clock, answers, send } = withFaults({ failProbability: 0.5, seed });
      for (let sent = 0; sent < 200; sent++) send();
      clock.advance(1e6);
      return answers.map(([, answer]) => answer);
    };
    const failed = run(7).filter((answer) => answer === 'ENXIO').length;
    expect(run(7)).toEqual(run(7));
    expect(run(8)).not.toEqual(run(7));
    expect(failed).toBeGreaterThan(70);
    expect(failed).toBeLessThan(130);
  });
});

describe('poison', () => {
  test('is injected into a page', () => {
    const { device, stats } = plug(SMALL);
    device.store(BASE, 4096);
    device.injectPoison(BASE);
    expect([device.isPoisoned(BASE), device.usedBytes()]).toEqual([true, 0]);
    expect(stats()['device.poison_injected']).toBe(1);
    device.verify();
  });

  test('hits a share of the stores', () => {
    const { device, stats } = plug({ ...SMALL, poisonFaults: { storeProbability: 0.25, seed: 3 } });
    const kept = Array.from({ length: 400 }, (_, at) => device.store(BASE + (at % 16), 64));
    const lost = kept.filter((isKept) => !isKept).length;
    expect(stats()['device.poison_injected']).toBe(lost);
    expect(lost).toBeGreaterThan(70);
    expect(lost).toBeLessThan(130);
    device.verify();
  });
});

test('interrupts stop for good when the device’s control path dies', () => {
  const { device, clock, interrupts } = plug({ ...SMALL, interruptFaults: { deadFromNs: 1000 } });
  const fill = (key: number) => {
    for (let page = 0; page < 16; page++) device.store(BASE + page, key);
  };
  fill(4096);
  clock.advance(1e6);
  fill(64);
  clock.advance(1e6);
  expect(interrupts.map(([, kind]) => kind)).toEqual(['low']);
});

describe('options out of range are refused by name', () => {
  test.each<[string, Partial<CxlCompressOptions>]>([
    ['mailbox.payloadBytes is 100, not in 256..1048576', { mailbox: { payloadBytes: 100 } }],
    ['mailbox.payloadBytes is 300, not a power of two', { mailbox: { payloadBytes: 300 } }],
    ['mailbox.commandNs is -1, not in 0..', { mailbox: { commandNs: -1 } }],
    ['mailboxFaults.deadFromNs is -1, not in', { mailboxFaults: { deadFromNs: -1 } }],
    ['mailboxFaults.slowProbability is 2, not in 0..1', { mailboxFaults: { slowProbability: 2 } }],
    ['poisonFaults.storeProbability is NaN', { poisonFaults: { storeProbability: Number.NaN } }],
  ])('%s', (detail, options) => {
    expect(() => plug({ ...SMALL, ...options })).toThrow(detail);
  });
});
