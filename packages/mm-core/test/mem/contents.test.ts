import { expect, test } from 'vitest';
import {
  type MemoryDevice,
  PageData,
  type Plugin,
  VERSION_LOST,
  VERSION_ZERO,
} from '../../src/index.js';
import { type Contents, ContentsToken } from '../../src/mem/contents.js';
import { machineOf } from '../machine-of.js';

/** A device that takes `room` pages and says what it was told. */
function deviceOf(room: number): MemoryDevice & { readonly log: string[] } {
  const log: string[] = [];
  return {
    name: 'dev',
    lineNs: 300,
    log,
    attach: ({ base, pages }) => void log.push(`attach ${base} ${pages}`),
    detach: () => void log.push('detach'),
    store(pfn, key) {
      log.push(`store ${pfn} ${key}`);
      return log.length <= room;
    },
    discard: (pfn) => void log.push(`discard ${pfn}`),
    readPageNs: () => 0,
  };
}

function contentsOf(device: MemoryDevice): Contents {
  const found: Contents[] = [];
  const data: PageData = {
    keyOf: (vpn, version, progress) => vpn * 1000 + version + Math.round(progress * 100),
    render: () => undefined,
    compressedSize: () => 0,
  };
  const plugin: Plugin = {
    name: 'peek',
    register: (services) => services.bindValue(PageData, data),
    probe: (services) => void found.push(services.get(ContentsToken)),
  };
  const machine = machineOf({
    nodes: [
      { id: 0, pages: 1024, cpus: 1 },
      { id: 1, pages: 1024, online: false },
    ],
    plugins: [plugin],
  });
  machine.hotplug.onlinePages(1, device);
  return found[0]!;
}

test('a device sees every store to its pages and every page given up, DRAM nobody', () => {
  const device = deviceOf(100);
  const contents = contentsOf(device);
  const identity = contents.store(1030, 7);
  contents.copy(1031, 1030);
  contents.zero(1030);
  contents.discard(1031);
  contents.store(3, 7);
  expect({ identity, log: device.log }).toMatchInlineSnapshot(`
    {
      "identity": 1,
      "log": [
        "attach 1024 1024",
        "store 1030 7001",
        "store 1031 7001",
        "store 1030 0",
        "discard 1031",
      ],
    }
  `);
});

test('what the device cannot keep is lost, and whoever watches is told', () => {
  const contents = contentsOf(deviceOf(1));
  const changed: number[] = [];
  contents.onChangedBehind = (pfn) => void changed.push(pfn);
  contents.store(1030, 1);
  expect({ changed, constants: [VERSION_LOST, VERSION_ZERO] }).toMatchInlineSnapshot(`
    {
      "changed": [
        1030,
      ],
      "constants": [
        -1,
        0,
      ],
    }
  `);
});
