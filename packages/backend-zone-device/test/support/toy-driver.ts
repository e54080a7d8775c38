import {
  assert,
  createMachine,
  GFP_HIGHUSER_MOVABLE,
  type Machine,
  type MachineConfig,
  type Plugin,
  type Task,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
} from '@mm-lab/mm-core';
import { Peek } from '@mm-lab/testkit';
import {
  bindZoneDevice,
  type DeviceCopy,
  DeviceCopyToken,
  type DevicePrivateEntries,
  DevicePrivateEntriesToken,
  type DevPagemap,
  MEMORY_DEVICE_PRIVATE,
  type MemoryType,
  type Memremap,
  MemremapToken,
  MIGRATE_PFN_MIGRATE,
  MIGRATE_VMA_SELECT_DEVICE_COHERENT,
  MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
  MIGRATE_VMA_SELECT_SYSTEM,
  type MigrateVma,
  type MigrateVmaArgs,
  MigrateVmaToken,
  migratePfn,
  migratePfnToPage,
  migrateVmaArgs,
} from '../../src/index.js';

/** The smallest driver there can be: a stack of free pages, moves what it is told to. */
export class ToyDriver {
  readonly owner = {};
  readonly free: number[] = [];
  pgmap: DevPagemap | null = null;
  faults = 0;

  constructor(
    readonly machine: Machine,
    readonly memremap: Memremap,
    readonly entries: DevicePrivateEntries,
    readonly migrateVma: MigrateVma,
    readonly deviceCopy: DeviceCopy,
  ) {}

  /** Claims node 1. @returns 0 or -errno */
  probe(type: MemoryType): number {
    const pgmap = this.memremap.memremapPages({
      name: 'toy',
      type,
      nid: 1,
      device: null,
      owner: this.owner,
      ops: {
        folio_free: (folio) => this.free.push(folio),
        migrate_to_ram: ({ mmId, vpn, value }) => {
          this.faults++;
          const rc = this.toRam(mmId, vpn, vpn + 1, value);
          if (rc < 0) return VM_FAULT_SIGBUS;
          return rc === 0 ? VM_FAULT_OOM : 0;
        },
      },
    });
    if (typeof pgmap === 'number') return pgmap;
    this.pgmap = pgmap;
    for (let at = pgmap.pages - 1; at >= 0; at--) this.free.push(pgmap.base + at);
    return 0;
  }

  /** Moves pages to the device. @param accepts declines entries @returns pages moved, or -errno */
  toDevice(task: Task, start: number, end: number, accepts = (_: number): boolean => true): number {
    const args = this.setup(task.mm.id, start, end, MIGRATE_VMA_SELECT_SYSTEM, -1);
    if (typeof args === 'number') return args;
    return this.carry(args, (src, at) => {
      if (src < 0 || !accepts(at)) return -1;
      const page = this.free.pop() ?? -1;
      const { pgmap } = this;
      assert(pgmap !== null, 'the driver was probed');
      if (page >= 0) this.memremap.pageInit(pgmap, page);
      return page;
    });
  }

  /** Moves pages to RAM. @returns pages moved, or -errno */
  toRam(mmId: number, start: number, end: number, faultPage = -1): number {
    const flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE | MIGRATE_VMA_SELECT_DEVICE_COHERENT;
    const args = this.setup(mmId, start, end, flags, faultPage);
    if (typeof args === 'number') return args;
    const request = { gfp: GFP_HIGHUSER_MOVABLE, order: 0, nid: 0, nodemask: null };
    return this.carry(args, (src) => {
      const page = src < 0 ? -1 : this.machine.pageAlloc.alloc(request);
      if (page >= 0) this.machine.folios.trylock(page);
      return page;
    });
  }

  setup(
    mmId: number,
    start: number,
    end: number,
    flags: number,
    faultPage: number,
  ): MigrateVmaArgs | number {
    const mm = this.machine.mms.get(mmId);
    const args = migrateVmaArgs({ mm, start, end, owner: this.owner, flags, faultPage });
    const rc = this.migrateVma.setup(args);
    return rc < 0 ? rc : args;
  }

  /** Copies and installs. @returns pages moved */
  carry(args: MigrateVmaArgs, allocate: (src: number, at: number) => number): number {
    args.src.forEach((entry, at) => {
      if ((entry & MIGRATE_PFN_MIGRATE) === 0) return;
      const src = migratePfnToPage(entry);
      const dst = allocate(src, at);
      if (dst < 0) return;
      this.deviceCopy.copy(dst, src);
      args.dst[at] = migratePfn(dst);
    });
    this.migrateVma.pages(args);
    const moved = args.src.filter((entry) => (entry & MIGRATE_PFN_MIGRATE) !== 0).length;
    this.migrateVma.finalize(args);
    return moved;
  }
}

/** A machine with 2048 pages of RAM and 256 of device memory, driven by hand. */
export function toyMachine(
  type: MemoryType = MEMORY_DEVICE_PRIVATE,
  sysctl: NonNullable<MachineConfig['sysctl']> = {},
): { machine: Machine; driver: ToyDriver; task: Task } {
  const plugin: Plugin = { name: 'toy', register: bindZoneDevice };
  const peek = new Peek();
  const machine = createMachine(
    {
      seed: 1,
      nodes: [
        { id: 0, pages: 2048, cpus: 1 },
        { id: 1, pages: 256, online: false },
      ],
      sysctl,
    },
    [plugin, peek],
  );
  const { services } = peek;
  const driver = new ToyDriver(
    machine,
    services.get(MemremapToken),
    services.get(DevicePrivateEntriesToken),
    services.get(MigrateVmaToken),
    services.get(DeviceCopyToken),
  );
  assert(driver.probe(type) === 0, 'node 1 can be device memory');
  return { machine, driver, task: machine.createTask('task') };
}
