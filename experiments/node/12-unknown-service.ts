/**
 * Row 12: which default is safer? mm gets a new service that no driver has heard of. It finds
 * folios on LRU lists, in page tables or by frame number, and is written in three ways: it asks
 * nothing, it makes the check that today's services make, or it asks for an opt-in of its own.
 */
import { cxlCompressDevice } from '@mm-lab/backend-cxl-compress';
import { deviceCoherent } from '@mm-lab/backend-device-coherent';
import { zoneDeviceCompress } from '@mm-lab/backend-zone-device';
import { CramToken, cram } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import {
  createMachine,
  type Machine,
  NR_LRU_LISTS,
  PAGE_SIZE,
  type Plugin,
  PTE_PRESENT,
  Sites,
} from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { placeOn, privateLab, writer } from './kit.ts';

const [DRAM, DEVICE] = [0, 1];
const PAGES = 256;
const NODES = [
  { id: DRAM, pages: 2048, cpus: 1 },
  { id: DEVICE, pages: 1024, online: false, movable: true },
];
/** A bit that no owner has heard of. */
const GRANT_NEW = 1 << 30;
/** Whose counter the new service uses: it has no site of its own. */
const SITE = Sites.index('ksm.ksm_next_page');

interface Backend {
  readonly name: string;
  /** A machine with pages of a program in the backend's memory. */
  readonly build: () => Machine;
}

const BACKENDS: readonly Backend[] = [
  {
    name: 'ordinary node',
    build: () => {
      const nodes = NODES.map((node) => ({ ...node, online: true }));
      const machine = createMachine({ seed: 1, nodes }, []);
      writer(machine, 'task', PAGES).movePages([...Array(PAGES).keys()], DEVICE);
      return machine;
    },
  },
  {
    name: 'private node, no ops',
    build: () => {
      const lab = privateLab({ nodes: NODES, services: [{ nid: DEVICE, flags: null }] });
      placeOn(lab, writer(lab.machine, 'task', PAGES), PAGES, DEVICE);
      return lab.machine;
    },
  },
  {
    name: 'CRAM',
    build: () => {
      const register: Plugin = {
        name: 'register',
        probe: (services) => {
          const owner = services.get(CramToken);
          hotplugged.push(() => owner.cram_register_private_node(DEVICE, owner, null));
        },
      };
      const hotplugged: (() => number)[] = [];
      const services = [{ nid: DEVICE, flags: null }];
      const { machine } = privateLab({ nodes: NODES, services, plugins: [cram(), register] });
      for (const go of hotplugged) go();
      writer(machine, 'task', PAGES).movePages([...Array(PAGES).keys()], DEVICE);
      return machine;
    },
  },
  {
    name: 'device-coherent',
    build: () => {
      const driver = deviceCoherent({ nid: DEVICE });
      const machine = createMachine({ seed: 1, nodes: NODES }, [nodePrivate(), driver]);
      driver.migrateToDevice(writer(machine, 'task', PAGES).mm, 0, PAGES);
      machine.spend();
      return machine;
    },
  },
  {
    name: 'ZONE_DEVICE',
    build: () => {
      const machine = createMachine({ seed: 1, nodes: NODES }, [
        cxlCompressDevice({ name: 'cxl0', logicalPages: 1024, capacityBytes: 1024 * PAGE_SIZE }),
        zoneDeviceCompress({ device: 'cxl0', nid: DEVICE }),
      ]);
      // Its driver takes what is cold once DRAM is short.
      writer(machine, 'task', 2048 + PAGES);
      machine.sleep(1e9);
      return machine;
    },
  },
];

/** Folios that the service finds in the backend's memory, each way of looking. */
const FINDERS: Readonly<Record<string, (machine: Machine) => number[]>> = {
  lru: (machine) =>
    Array.from({ length: NR_LRU_LISTS }, (_, list) => [...machine.lru.walk(DEVICE, list)]).flat(),
  'page table': (machine) => {
    const found: number[] = [];
    for (const { id } of machine.mms.all()) {
      machine.ptes.walk(id, 0, Infinity, (slot) => {
        const isPresent = ((machine.ptes.bits[slot] ?? 0) & PTE_PRESENT) !== 0;
        if (isPresent) found.push(machine.ptes.value[slot] ?? 0);
      });
    }
    return found.filter((pfn) => machine.nodes.nidOf(pfn) === DEVICE);
  },
  pfn: (machine) => {
    const { base, spannedPages } = machine.nodes.pgdat(DEVICE);
    const pfns = Array.from({ length: spannedPages }, (_, at) => base + at);
    return pfns.filter((pfn) => (machine.table.mapcount[pfn] ?? 0) > 0);
  },
};

/** May it touch the folio? By how it is written. */
const WRITTEN: Readonly<Record<string, (machine: Machine, pfn: number) => boolean>> = {
  'asks nothing': () => true,
  'asks folio_is_private_managed': ({ managed }, pfn) =>
    !managed.folio_is_private_managed(SITE, pfn),
  'asks for its own opt-in': ({ managed }, pfn) =>
    managed.folio_managed_allows(SITE, pfn, GRANT_NEW),
};

function probe(): Figures {
  const values: Record<string, number> = {};
  const rows = BACKENDS.flatMap(({ name, build }) => {
    const machine = build();
    machine.folios.lruAddDrainAll();
    return Object.entries(WRITTEN).map(([written, may]) => {
      const touches = Object.values(FINDERS).map(
        (find) => find(machine).filter((pfn) => may(machine, pfn)).length,
      );
      const key = name.replaceAll(',', '').replaceAll(' ', '_');
      const touched = touches.reduce((sum, count) => sum + count, 0);
      if (written === 'asks nothing') values[`touched_unasked.${key}`] = touched;
      return [name, written, ...touches];
    });
  });
  return {
    values,
    tables: [
      {
        name: 'touches',
        title: 'Folios in the backend’s memory that the new service touches, by how it finds them',
        columns: ['backend', 'the service', ...Object.keys(FINDERS)],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What does a service that nobody opted in to do to memory that is set apart?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'A service that asks nothing touches a private node’s folios however it finds them.',
      holds: (results) => results.figure('touched_unasked.private_node_no_ops') === 3 * PAGES,
    },
    {
      text: 'ZONE_DEVICE hides from LRU and page-table walks, and not from walks of frames.',
      holds: (results) => {
        const at = results.column('touches', 'backend').indexOf('ZONE_DEVICE');
        const of = (column: string): number => Number(results.column('touches', column)[at]);
        return of('lru') + of('page table') === 0 && of('pfn') > 0;
      },
    },
    {
      text: 'Either question keeps it from all of them, and ordinary memory is served as before.',
      holds: (results) => {
        const backends = results.column('touches', 'backend');
        const services = results.column('touches', 'the service');
        const found = results.column('touches', 'pfn');
        return backends.every((name, at) => {
          const isOrdinary = name === 'ordinary node' || services[at] === 'asks nothing';
          return isOrdinary === Number(found[at]) > 0;
        });
      },
    },
  ],
});
