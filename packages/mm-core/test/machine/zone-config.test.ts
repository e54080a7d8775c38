import { expect, test } from 'vitest';
import {
  autoInterleaveWeights,
  createMachine,
  type MachineConfig,
  ZONE_DMA,
  ZONE_DMA32,
  ZONE_MOVABLE,
  ZONE_NORMAL,
} from '../../src/index.js';

const near = perf(100, 10240);
const far = perf(400, 2560);

/** A node with three zones, a memory-only one with a plugged part, a plugged one. */
const config: MachineConfig = {
  seed: 1,
  nodes: [
    {
      id: 0,
      pages: 0,
      cpus: 2,
      perf: near,
      zones: [
        { type: ZONE_DMA, startPfn: 1, spanned: 4095, present: 3990, managed: 3800, free: 3700 },
        { type: ZONE_DMA32, startPfn: 4096, spanned: 61440, managed: 60000, free: 58000 },
      ],
    },
    {
      id: 1,
      pages: 0,
      perf: far,
      zones: [
        { type: ZONE_DMA32, startPfn: 65536, spanned: 32736, free: 32000 },
        { type: ZONE_NORMAL, startPfn: 1048576, spanned: 32768, free: 32000, hotplugged: true },
      ],
    },
    {
      id: 2,
      pages: 0,
      perf: far,
      zones: [{ type: ZONE_MOVABLE, startPfn: 1081344, spanned: 32768, hotplugged: true }],
    },
  ],
};

test('zones lie where they were, and what the kernel took is in use and nobody’s', () => {
  const machine = createMachine({ ...config, bootMinFreeKbytes: 20480 }, []);
  const shown = machine.nodes.zones.map((zone) => [
    `${zone.nid} ${zone.name}`,
    `${zone.base}+${zone.spannedPages}`,
    `${zone.managedPages} managed, ${zone.freePages} free`,
    zone.watermark.join(' '),
    zone.lowmemReserve.join(' '),
  ]);
  expect(shown).toMatchInlineSnapshot(`
    [
      [
        "0 DMA",
        "1+4095",
        "3800 managed, 3700 free",
        "150 187 224 261",
        "0 234 234 234",
      ],
      [
        "0 DMA32",
        "4096+61440",
        "60000 managed, 58000 free",
        "2375 2968 3561 4154",
        "0 0 0 0",
      ],
      [
        "1 DMA32",
        "65536+32736",
        "32736 managed, 32000 free",
        "1296 1620 1944 2268",
        "0 0 128 128",
      ],
      [
        "1 Normal",
        "1048576+32768",
        "32768 managed, 32000 free",
        "1297 1621 1945 2269",
        "0 0 0 0",
      ],
      [
        "2 Movable",
        "1081344+32768",
        "32768 managed, 32768 free",
        "32 356 680 1004",
        "0 0 0 0",
      ],
    ]
  `);
  expect(machine.nodes.pgdat(0).fallback.map((zone) => `${zone.nid} ${zone.name}`)).toEqual([
    '0 DMA32',
    '0 DMA',
    '1 Normal',
    '1 DMA32',
    '2 Movable',
  ]);
  machine.verify();
});

test('tiers and weights follow HMAT; a node plugged in the boot counts as DRAM in tiers', () => {
  const machine = createMachine(config, []);
  expect({
    tiers: machine.tiers.tiers(),
    weights: [...autoInterleaveWeights(machine.nodes)],
  }).toMatchInlineSnapshot(`
    {
      "tiers": [
        {
          "nodes": [
            0,
            2,
          ],
          "tier": 4,
        },
        {
          "nodes": [
            1,
          ],
          "tier": 72,
        },
      ],
      "weights": [
        [
          0,
          21,
        ],
        [
          1,
          5,
        ],
        [
          2,
          5,
        ],
      ],
    }
  `);
});

test('a given abstract distance sets the tier', () => {
  const nodes = [
    { id: 0, pages: 1024, cpus: 1 },
    { id: 1, pages: 1024, adistance: 23040 },
  ];
  const machine = createMachine({ seed: 1, nodes }, []);
  expect(machine.tiers.tiers().map(({ tier }) => tier)).toEqual([4, 180]);
});

test('memory that khugepaged raised is computed anew after a user wrote', () => {
  const machine = createMachine({ ...config, bootMinFreeKbytes: 20480 }, []);
  const seen = [machine.watermarks.minFreeKbytes];
  machine.watermarks.writeMinFreeKbytes(4096);
  seen.push(machine.watermarks.minFreeKbytes);
  machine.hotplug.rebuild();
  seen.push(machine.watermarks.minFreeKbytes);
  expect(seen).toMatchInlineSnapshot(`
    [
      20480,
      4096,
      25552,
    ]
  `);
});

function perf(latency: number, bandwidth: number): NonNullable<MachineConfig['nodes'][0]['perf']> {
  return {
    read_latency: latency,
    write_latency: latency,
    read_bandwidth: bandwidth,
    write_bandwidth: bandwidth,
  };
}
