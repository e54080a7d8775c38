/**
 * Row 2: where should mprotect learn that a page must stay read-only? In the walk, as posted; in
 * can_change_pte_writable, as the author proposed later; or in vma_wants_writenotify by a counter
 * for each area, his first idea. The same calls under each, and without any hook. The core asks in
 * can_change_pte_writable itself; under the others it is told no there, so each protects alone.
 */
import { CramToken, cram } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import {
  GRANT_WRITE,
  type Machine,
  type Plugin,
  PROT_READ,
  PROT_WRITE,
  PTE_WRITE,
  Sites,
  SitesToken,
  type Task,
  VM_WRITE,
} from '@mm-lab/mm-core';
import { nodeOf, privateLab, writer } from './kit.ts';

const [DRAM, DEVICE] = [0, 1];
const PAGES = 256;
/** The first of them are on the device; the last are shared copy-on-write with a child. */
const ON_DEVICE = 96;
const SHARED = 64;
const ROUNDS = 4;
const SITE = Sites.index('mprotect.change_pte_range');

/** mm whose mprotect is told that every page is ordinary. */
class WithoutMprotect extends Sites {
  override count(site: number, managed: boolean): boolean {
    return super.count(site, managed && site !== SITE);
  }
}

/** A placement decides whether an entry may become writable, and counts what it looked at. */
interface Placement {
  readonly name: string;
  /** Kernel functions that have to change for it; by our reading, upkeep of a counter included. */
  readonly functions: readonly string[];
  /** Does the core's own question stand? Else nothing but `install` protects. */
  readonly isCore: boolean;
  readonly install: (machine: Machine, looked: () => void) => void;
}

const PLACEMENTS: readonly Placement[] = [
  {
    name: 'in the walk (P15)',
    functions: ['change_pte_range', 'change_huge_pmd', 'do_numa_page'],
    isCore: false,
    install: ({ mprotect, managed, ptes, table }, looked) => {
      const may = mprotect.canChangeWritable.bind(mprotect);
      mprotect.canChangeWritable = (slot, bits, vma) => {
        // MM_CP_TRY_CHANGE_WRITABLE: only where the area may be written at all.
        if ((vma.flags & VM_WRITE) === 0) return false;
        looked();
        const folio = table.head(ptes.value[slot] ?? 0);
        const isOpen = managed.ownerOf(folio)?.allows(GRANT_WRITE) ?? true;
        return isOpen && may(slot, bits, vma);
      };
    },
  },
  {
    name: 'in can_change_pte_writable',
    functions: ['can_change_pte_writable', 'can_change_pmd_writable'],
    isCore: true,
    install: ({ managed }, looked) => {
      const ask = managed.folio_managed_wrprotect.bind(managed);
      managed.folio_managed_wrprotect = (site, folio) => {
        if (site === SITE) looked();
        return ask(site, folio);
      };
    },
  },
  {
    name: 'a counter for each area',
    functions: [
      'vma_wants_writenotify',
      'remove_migration_pte',
      'remove_migration_pmd',
      'try_to_migrate',
      'zap_present_ptes',
      'copy_present_ptes',
      'move_ptes',
      '__split_vma',
      'vma_merge',
    ],
    isCore: false,
    install: ({ mprotect, managed, ptes, table }, looked) => {
      const may = mprotect.canChangeWritable.bind(mprotect);
      // Kept up by the functions above; here it is counted when it is read.
      const isHeld = (mmId: number, start: number, end: number): boolean => {
        let held = 0;
        ptes.walk(mmId, start, end, (slot) => {
          const folio = table.head(ptes.value[slot] ?? 0);
          if (managed.ownerOf(folio) !== null) held++;
        });
        return held > 0;
      };
      const change = mprotect.changeRange.bind(mprotect);
      let isWanted = false;
      mprotect.changeRange = (mm, vma) => {
        looked();
        isWanted = isHeld(mm.id, vma.start, vma.end);
        change(mm, vma);
      };
      mprotect.canChangeWritable = (slot, bits, vma) => !isWanted && may(slot, bits, vma);
    },
  },
  { name: 'no hook', functions: [], isCore: false, install: () => undefined },
];

function scene(isCore: boolean): { readonly machine: Machine; readonly task: Task } {
  const late: (() => void)[] = [];
  const without: Plugin = {
    name: 'without-mprotect',
    register: (services) => services.bindValue(SitesToken, new WithoutMprotect()),
  };
  const { machine } = privateLab({
    nodes: [
      { id: DRAM, pages: 2048, cpus: 1 },
      { id: DEVICE, pages: 1024, online: false },
    ],
    services: [{ nid: DEVICE, flags: null }],
    plugins: [
      ...(isCore ? [] : [without]),
      cram(),
      {
        name: 'peek',
        probe: (services) => {
          const service = services.get(CramToken);
          late.push(() => service.cram_register_private_node(DEVICE, service, null));
        },
      },
    ],
  });
  for (const register of late) register();
  const task = writer(machine, 'program', PAGES);
  task.fork('child');
  for (let vpn = 0; vpn < PAGES - SHARED; vpn++) task.write(vpn);
  task.movePages([...Array(ON_DEVICE).keys()], DEVICE);
  return { machine, task };
}

function run({ name, functions, isCore, install }: Placement): readonly (string | number)[] {
  const { machine, task } = scene(isCore);
  let asked = 0;
  install(machine, () => {
    asked++;
  });
  for (let round = 0; round < ROUNDS; round++) {
    task.mprotect(0, PAGES, PROT_READ);
    task.mprotect(0, PAGES, PROT_READ | PROT_WRITE);
  }
  let wrong = 0;
  let upgraded = 0;
  for (let vpn = 0; vpn < PAGES; vpn++) {
    const slot = machine.ptes.find(task.mm.id, vpn);
    if (((machine.ptes.bits[slot] ?? 0) & PTE_WRITE) === 0) continue;
    if (nodeOf(machine, task, vpn) === DEVICE) wrong++;
    else upgraded++;
  }
  const before = machine.vmstat().pgfault;
  for (let vpn = ON_DEVICE; vpn < PAGES; vpn++) task.write(vpn);
  const faults = machine.vmstat().pgfault - before;
  machine.verify();
  return [name, functions.length, asked, wrong, upgraded, faults];
}

function probe(): Figures {
  const rows = PLACEMENTS.map(run);
  const of = (row: number, column: number): number => Number(rows[row]?.[column]);
  return {
    values: {
      'asked.walk': of(0, 2),
      'asked.can_change': of(1, 2),
      'asked.counter': of(2, 2),
      wrong_upgrades: of(0, 3) + of(1, 3) + of(2, 3),
      'wrong_upgrades.no_hook': of(3, 3),
      'faults.walk': of(0, 5),
      'faults.can_change': of(1, 5),
      'faults.counter': of(2, 5),
    },
    tables: [
      {
        name: 'placement',
        title: `${2 * ROUNDS} calls on ${PAGES} pages, ${ON_DEVICE} of them on the device`,
        columns: [
          'placement',
          'functions',
          'asked',
          'wrong upgrades',
          'upgrades',
          'faults of DRAM stores',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'Where should mprotect learn that a page must stay read-only?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'No placement ever makes a page of the device writable.',
      holds: (results) => results.figure('wrong_upgrades') === 0,
    },
    {
      text: 'Without a hook mprotect does make pages of the device writable.',
      holds: (results) => results.figure('wrong_upgrades.no_hook') > 0,
    },
    {
      text: 'can_change_pte_writable asks less than the walk and upgrades the same pages.',
      holds: (results) =>
        results.figure('asked.can_change') < results.figure('asked.walk') &&
        results.figure('faults.can_change') === results.figure('faults.walk'),
    },
    {
      text: 'A counter asks least and costs DRAM pages of the same area a fault each.',
      holds: (results) =>
        results.figure('asked.counter') < results.figure('asked.can_change') &&
        results.figure('faults.counter') > results.figure('faults.can_change'),
    },
  ],
});
