import { type MachineConfig, ZONE_DMA32, ZONE_MOVABLE } from '@mm-lab/mm-core';
import { describe, expect, it } from 'vitest';
import { reserveSeenFirst } from '../../src/conform/boot-reserve.js';

const CONFIG: MachineConfig = {
  seed: 1,
  bootMinFreeKbytes: 40_000,
  nodes: [
    {
      id: 0,
      pages: 0,
      zones: [
        { type: ZONE_DMA32, startPfn: 0, spanned: 60_000, managed: 50_000 },
        { type: ZONE_MOVABLE, startPfn: 2 ** 20, spanned: 30_000, managed: 30_000 },
      ],
    },
  ],
};

/** A record whose zones were looked at after some steps, and showed this min. */
function reserveAfter(ops: readonly string[], min: number): number | undefined {
  const steps = [...ops, 'zoneinfo'].map((op) => ({ op }));
  const look = { DMA32: { managed: 50_000, min }, Movable: { managed: 30_000, min: 32 } };
  const record = { steps: steps.map(({ op }) => ({ op, result: op === 'zoneinfo' ? look : {} })) };
  return reserveSeenFirst(CONFIG, { steps }, record);
}

describe('the reserve of the boot that a record comes from', () => {
  it('is what _topology.json tells if the record shows it', () => {
    expect(reserveAfter([], 10_000)).toBe(40_000);
  });

  it('is what the first look at the zones shows, some pages more or less', () => {
    expect(reserveAfter(['settle', 'mmap', 'touch'], 10_002)).toBe(40_008);
    expect(reserveAfter([], 9_999)).toBe(39_996);
  });

  it('is not looked for once a step may have changed it', () => {
    expect(reserveAfter(['sys_write'], 10_002)).toBeUndefined();
    expect(reserveAfter(['block_state'], 10_002)).toBeUndefined();
  });

  it('is looked for behind a change of a block that failed', () => {
    const steps = [{ op: 'block_state' }, { op: 'zoneinfo' }];
    const look = { DMA32: { managed: 50_000, min: 10_002 } };
    const record = { steps: [{ result: { changed: 0, of: 1 } }, { result: look }] };
    expect(reserveSeenFirst(CONFIG, { steps }, record)).toBe(40_008);
  });

  it('is not seen if the record shows marks of another kind, or none', () => {
    expect(reserveAfter([], 12_345)).toBeUndefined();
    expect(reserveSeenFirst(CONFIG, { steps: [] }, null)).toBeUndefined();
  });
});
