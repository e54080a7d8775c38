import { describe, expect, test } from 'vitest';
import { type CopyEnd, swapCodecOf, TableCostModel } from '../../src/mm/cost-model.js';
import { COST_NAMES, COST_PRESETS, COST_TABLE, type CostRow } from '../../src/mm/cost-table.js';

const server = new TableCostModel();
const conservative = new TableCostModel({ preset: 'conservative' });

function dramOf({ ns, bytesPerNs }: TableCostModel): CopyEnd {
  return { lineNs: ns.dramLine, bytesPerNs: bytesPerNs.dramBandwidth };
}

function cramOf({ ns, bytesPerNs }: TableCostModel): CopyEnd {
  return { lineNs: ns.cramLine, bytesPerNs: bytesPerNs.cxlBandwidth };
}

describe.each(COST_PRESETS)('the cost table of preset %s', (preset) => {
  const rows = COST_NAMES.map((name) => {
    const row: CostRow = COST_TABLE[name];
    return { name, meaning: row.meaning, ...row.facts[preset] };
  });

  test('gives a source, a mark and a meaning with every number', () => {
    const bad = rows.filter(({ mark, source, meaning, value }) => {
      return !/^[PASMCDR]$/.test(mark) || source === '' || meaning === '' || !(value > 0);
    });
    expect(bad).toEqual([]);
  });

  test('ships no recalled number without a range to sweep', () => {
    expect(rows.filter(({ mark, sweep }) => mark === 'R' && sweep === undefined)).toEqual([]);
  });

  test('keeps every value within its own range', () => {
    const bad = rows.filter(({ value, sweep }) => {
      return sweep !== undefined && (value < sweep[0] || value > sweep[1]);
    });
    expect(bad).toEqual([]);
  });
});

test('the presets are those of section 1.9', () => {
  const presetOf = (cost: TableCostModel) => ({
    lines: [cost.ns.dramLine, cost.ns.cxlLine, cost.ns.cramLine],
    cxlBandwidth: cost.bytesPerNs.cxlBandwidth,
    trap: cost.ns.trap,
    migrate: [cost.ns.migratePage, cost.ns.migrateHugePage],
    flush: cost.tlbFlushNs(1),
    swapIn: [cost.swapInNs('lz4'), cost.swapInNs('zstd')],
    swapOut: [cost.swapOutNs('lz4'), cost.swapOutNs('zstd')],
    interrupt: cost.ns.interrupt,
    flushPeriod: cost.ns.flushPeriod,
  });
  expect([presetOf(conservative), presetOf(server)]).toMatchInlineSnapshot(`
    [
      {
        "cxlBandwidth": 17.8,
        "flush": 3600,
        "flushPeriod": 1000000000,
        "interrupt": 1000000,
        "lines": [
          100,
          250,
          1000,
        ],
        "migrate": [
          1240,
          190000,
        ],
        "swapIn": [
          3250,
          6550,
        ],
        "swapOut": [
          5330,
          13110,
        ],
        "trap": 800,
      },
      {
        "cxlBandwidth": 30,
        "flush": 3600,
        "flushPeriod": 1000000000,
        "interrupt": 50000,
        "lines": [
          100,
          250,
          250,
        ],
        "migrate": [
          1240,
          190000,
        ],
        "swapIn": [
          3250,
          6550,
        ],
        "swapOut": [
          5330,
          13110,
        ],
        "trap": 660,
      },
    ]
  `);
});

describe('composed costs', () => {
  test('swap-in totals are the published ones within 2 %', () => {
    const published = { lz4: 3250, 'lzo-rle': 3700, zstd: 6480 } as const;
    const gaps = (['lz4', 'lzo-rle', 'zstd'] as const).map(
      (codec) => Math.abs(server.swapInNs(codec) / published[codec] - 1) < 0.02,
    );
    expect(gaps).toEqual([true, true, true]);
  });

  test('batched migration gains what S29 measured, on which it is calibrated', () => {
    const pageNs = server.ns.migratePage;
    const flushNs = server.tlbFlushNs(1);
    const gain = (pageNs + flushNs) / (pageNs + flushNs / server.counts.flushBatch);
    expect(Math.abs(gain / 3.917 - 1)).toBeLessThan(0.01);
  });

  test('a shootdown grows with the CPUs in the mm like the curve of S28', () => {
    expect([64, 256].map((cpus) => server.tlbFlushNs(cpus))).toEqual([15_570, 52_050]);
  });

  test('a copy from DRAM is the measured one and a slow source adds its excess', () => {
    const copies = [conservative, server].map((cost) => {
      const [dram, cram] = [dramOf(cost), cramOf(cost)];
      return [
        cost.copyPageNs({ source: dram, target: dram }),
        cost.copyPageNs({ source: cram, target: dram }),
        cost.copyPageNs({ source: dram, target: cram }),
      ];
    });
    expect(copies).toEqual([
      [320, 5120, 320],
      [320, 1120, 320],
    ]);
  });

  test('a copy is never faster than the slower bandwidth', () => {
    const dram = dramOf(server);
    const slow = { lineNs: 100, bytesPerNs: 1 };
    const copies = [
      server.copyPageNs({ source: dram, target: slow }),
      server.copyPageNs({ source: slow, target: dram }),
    ];
    expect(copies).toEqual([4096, 4096]);
  });

  test('promotion on write takes the 5 to 6 us of section 1.5 without the slower source', () => {
    expect(server.ns.trap + server.ns.migratePage + server.tlbFlushNs(1)).toBe(5500);
  });

  test('draining every CPU costs more on more CPUs', () => {
    expect([1, 2, 64].map((cpus) => server.lruDrainAllNs(cpus))).toEqual([10_000, 11_000, 73_000]);
  });
});

describe('options', () => {
  test('an override replaces one value and says so in the description', () => {
    const cost = new TableCostModel({ overrides: { trap: 1000 } });
    const changed = cost.describe().filter(({ overridden }) => overridden);
    expect({ trap: cost.ns.trap, wpReuse: cost.ns.wpReuse, changed }).toMatchInlineSnapshot(`
      {
        "changed": [
          {
            "charged": true,
            "mark": "R",
            "meaning": "floor of any fault: entry, walk, lock, exit",
            "name": "trap",
            "overridden": true,
            "source": "the experiment; in the table 660 (M, write-protect fault without a copy)",
            "sweep": [
              500,
              1500,
            ],
            "unit": "ns",
            "value": 1000,
          },
        ],
        "trap": 1000,
        "wpReuse": 660,
      }
    `);
  });

  test('the description has every row once and keeps the rule about recalled numbers', () => {
    const rows = new TableCostModel({ overrides: { mailboxTimeout: 1 } }).describe();
    expect(rows.map(({ name }) => name)).toEqual(COST_NAMES);
    expect(rows.filter(({ mark, sweep }) => mark === 'R' && sweep === undefined)).toEqual([]);
  });

  test('the numbers can be read and not written', () => {
    expect([server.ns, server.bytesPerNs, server.counts].every(Object.isFrozen)).toBe(true);
  });

  test.each([
    [{ overrides: { trapp: 1 } }, "there is no cost called 'trapp'"],
    [{ overrides: { trap: -1 } }, "cost 'trap' is -1 ns"],
    [{ overrides: { cxlBandwidth: 0 } }, "cost 'cxlBandwidth' is 0 B/ns"],
    [{ overrides: { trap: Number.NaN } }, "cost 'trap' is NaN"],
    [{ preset: 'fast' }, "cost preset 'fast' is none of conservative, 2026-server"],
  ])('%j is refused', (options, message) => {
    // @ts-expect-error what a user of plain JavaScript may write
    expect(() => new TableCostModel(options)).toThrow(message);
  });

  test('a codec costs the same with and without its level, and an unknown one is refused', () => {
    expect(['lz4', 'lzo-rle', 'zstd', 'zstd-1', 'zstd3'].map(swapCodecOf)).toEqual([
      'lz4',
      'lzo-rle',
      'zstd',
      'zstd',
      'zstd',
    ]);
    expect(() => swapCodecOf('deflate')).toThrow("the cost of codec 'deflate' is not known");
  });
});
