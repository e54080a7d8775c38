import {
  assert,
  CGROUP_FOLDER,
  createMachine,
  ENOMEM,
  isMigrationType,
  MADV_DONTNEED,
  type Machine,
  type MmStruct,
  PAGE_SIZE,
  PG_anon_exclusive,
  PG_locked,
  PG_lru,
  PMD_ORDER,
  Prng,
  PTE_UNADDRESSABLE,
  PTE_WRITE,
  pteHoldsPage,
  pteMapsPage,
  pteType,
  type Task,
} from '@mm-lab/mm-core';
import { Peek } from '@mm-lab/testkit';
import {
  type Dmirror,
  HMM_DMIRROR_FLAG_FAIL_ALLOC,
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_PRIVATE,
  type TestHmmPlugin,
  testHmm,
} from '../../src/index.js';
import { auditDevices, auditSetups } from './audit-devices.js';
import {
  back,
  drainWithOnePageHeld,
  faultBack,
  type Injected,
  mirrorRead,
  type ProgramParts,
  partsOf,
  splitWithoutVma,
} from './injections.js';

const CHUNK = 1024;
const HUGE = 512;
const PAGES = 3 * HUGE;
const START = 2 ** 28;
const UNITS = [MEMORY_DEVICE_PRIVATE, MEMORY_DEVICE_PRIVATE, MEMORY_DEVICE_COHERENT] as const;

/** Random programs on the test device, with the invariants of device memory checked all along. */
export class HmmProgram {
  readonly machine: Machine;
  readonly task: Task;
  readonly plugin: TestHmmPlugin;
  readonly injected = new Map<string, number>();
  readonly start = START;
  readonly parts: ProgramParts;
  private child: Task | null = null;
  private readonly handles: Dmirror[];
  private readonly prng: Prng;
  /** What is done to a migration at the moment when its pages are unmapped. */
  private injection: (() => void) | null = null;
  /** Allocations of this order fail. */
  private failOrder = -1;
  range = { start: START, end: START };
  private readonly undo: (() => void)[] = [];
  /** Is the next allocation of the handle to fail? */
  private isFailing = false;
  /** A page that must not move in the migration under way. */
  private staying: { readonly name: string; readonly vpn: number; readonly folio: number } | null =
    null;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.plugin = testHmm({
      units: UNITS.map((type, unit) => ({ type, nid: unit + 1 })),
      chunkPages: CHUNK,
    });
    const peek = new Peek();
    const nodes = UNITS.map((_, unit) => ({ id: unit + 1, pages: CHUNK * 3, online: false }));
    this.machine = createMachine(
      {
        seed,
        nodes: [{ id: 0, pages: 6144, cpus: 1 }, ...nodes],
        sysctl: { thp_enabled: seed % 2 === 0 ? 'always' : 'never' },
      },
      [this.plugin, peek],
    );
    this.parts = partsOf(peek.services);
    auditSetups(this.parts.migrateVma);
    this.task = this.machine.createTask('program');
    this.joinGroup();
    const area = { addr: START * PAGE_SIZE, length: PAGES * PAGE_SIZE, prot: 3, flags: 0x32 };
    const request = { ...area, file: null, offset: 0 };
    const at = this.machine.sys.mmap.mmap(this.task.struct, request);
    assert(at === START * PAGE_SIZE, 'the area is mapped where it is asked for');
    this.handles = UNITS.map((_, unit) => this.plugin.open(unit, this.task.mm));
    this.handles.forEach(({ device }) => {
      device.failNext = (order) => this.onAlloc(order);
    });
    // Huge pages where there may be any: later steps split most of them.
    for (let vpn = START; vpn < START + PAGES; vpn += HUGE) this.task.write(vpn);
  }

  step(): void {
    const { machine, prng } = this;
    const isWhole = prng.below(3) === 0;
    const from = isWhole ? prng.below(3) * HUGE : prng.below(PAGES - 64);
    const count = isWhole || prng.below(3) === 0 ? HUGE : 1 + prng.below(64);
    const start = START + from;
    const end = START + Math.min(PAGES, from + count);
    const handle = this.handles[prng.below(UNITS.length)]!;
    machine.work.runAs(this.task.struct);
    const kind = prng.below(13);
    if (kind < 3) this.touch(start, end, prng.below(2) === 0);
    else if (kind < 6) this.migrate(handle, start, end);
    else if (kind === 6) this.moveBack(handle, start, end);
    else if (kind === 7) {
      const isDisturbed = prng.below(2) === 0;
      mirrorRead(this.context(), handle, { start, end: Math.min(end, start + 8), isDisturbed });
    } else if (kind === 8) handle.mirror.write(start, Math.min(end, start + 8), () => 0);
    else if (kind === 9) this.change(start, end);
    else if (kind === 10) this.pin(start);
    else if (kind === 11) this.moveHuge(handle);
    else this.forkOrExit();
    for (const undo of this.undo.splice(0)) undo();
    machine.spend();
    this.audit();
  }

  /** Ends everything: no page may stay on a device. */
  finish(): void {
    this.child?.exit();
    drainWithOnePageHeld(this.context(), this.handles);
    for (const handle of this.handles) handle.close();
    for (const { device } of this.handles) {
      const left = device.allocated - device.freed;
      assert(left === 0, `${device.options.name}: ${left} pages left`);
      device.removeChunks();
      assert(device.chunks.length === 0, `${device.options.name}: a chunk is left`);
    }
    this.touch(START, START + PAGES, false);
    this.task.exit();
    this.machine.verify();
    const { lostPages, staleReads, leakedPages } = this.machine.engine.shadow.counts;
    const wrong = JSON.stringify({ lostPages, staleReads, leakedPages });
    assert(lostPages + staleReads + leakedPages === 0, `contents are kept: ${wrong}`);
  }

  /** By command and by fault; neither changes what the program is said to have. */
  private moveBack(handle: Dmirror, start: number, end: number): void {
    const { rss } = this.task.mm;
    const charged = this.charged();
    back(this.context(), handle, { start, end, isDisturbed: this.prng.below(2) === 0 });
    faultBack(this.context(), this.handles, start);
    assert(this.task.mm.rss === rss, 'migration keeps the rss');
    assert(this.charged() === charged, 'and the charge of the group');
  }

  private touch(start: number, end: number, write: boolean): void {
    for (let vpn = start; vpn < end; vpn++) {
      if (this.task.mm.find(vpn) !== null) this.task.access(vpn, write);
    }
  }

  private migrate(handle: Dmirror, start: number, end: number): void {
    this.range = { start, end };
    this.prepare(handle, start, end);
    handle.migrateToDevice(start, end);
    this.injection = null;
    this.failOrder = -1;
    handle.device.failCopy = () => false;
    if (this.isFailing && handle.flags === 0) this.count('allocation');
    this.isFailing = false;
    handle.flags = 0;
    this.checkStaying();
  }

  /** What somebody locked, isolated or held is where it was. */
  private checkStaying(): void {
    const { staying } = this;
    this.staying = null;
    if (staying === null) return;
    assert(this.folioAt(staying.vpn) === staying.folio, `${staying.name}: the page stays`);
    this.count(staying.name);
  }

  /** One of the ways in which a migration may be disturbed. */
  private prepare(handle: Dmirror, start: number, end: number): void {
    const { folios, table } = this.machine;
    const vpn = start + this.prng.below(end - start);
    const folio = this.folioAt(vpn);
    const isBase = folio >= 0 && table.order[folio] === 0;
    switch (this.prng.below(11)) {
      case 0:
        if (!isBase || !folios.trylock(folio)) return;
        this.staying = { name: 'locked', vpn, folio };
        this.undo.push(() => folios.unlock(folio));
        break;
      case 1:
        if (!isBase || !table.has(folio, PG_lru) || !folios.isolateLru(folio)) return;
        this.staying = { name: 'isolated', vpn, folio };
        this.undo.push(() => folios.putbackLru(folio));
        break;
      case 2:
        if (folio < 0) return;
        if (isBase) this.staying = { name: 'held before', vpn, folio };
        this.hold(folio, isBase ? 'reference' : 'split with a vma');
        break;
      case 3:
        this.injection = () => {
          if (folio >= 0 && table.refcount[folio]! > 0) this.hold(folio, 'held between');
        };
        break;
      case 4:
        handle.flags = HMM_DMIRROR_FLAG_FAIL_ALLOC;
        this.isFailing = true;
        break;
      case 5:
        this.injection = () => {
          this.count('hole race');
          this.machine.memory.handleMmFault(this.task.mm, end - 1, true, 0);
        };
        break;
      case 6:
        handle.device.failCopy = (way) => {
          if (way !== 'there') return false;
          this.count('copy');
          handle.device.failCopy = () => false;
          return true;
        };
        break;
      case 7:
        this.failCharge();
        break;
      case 8:
        this.failOrder = this.prng.below(2) * PMD_ORDER;
        break;
      default:
    }
  }

  /** The group has no room for what fills a hole. */
  private failCharge(): void {
    const { memcontrol } = this.parts;
    const charge = memcontrol.charge.bind(memcontrol);
    this.injection = () => {
      memcontrol.charge = () => {
        this.count('charge');
        return -ENOMEM;
      };
    };
    this.undo.push(() => {
      memcontrol.charge = charge;
    });
  }

  /** A fresh huge page goes to the device, whole if there is room for it. */
  private moveHuge(handle: Dmirror): void {
    const end = START + HUGE;
    const { sys } = this.machine;
    sys.mprotect.mprotect(this.task.struct, START * PAGE_SIZE, HUGE * PAGE_SIZE, 3);
    this.task.madvise(START, HUGE, MADV_DONTNEED);
    this.task.write(START);
    this.failOrder = this.prng.below(2) === 0 ? PMD_ORDER : -1;
    handle.migrateToDevice(START, end);
    this.failOrder = -1;
    splitWithoutVma(this.context(), handle);
  }

  private context(): Injected {
    const { machine, task, parts } = this;
    return { machine, task, parts, count: (name) => this.count(name) };
  }

  private joinGroup(): void {
    const { pseudoFiles, cgroups } = this.machine;
    pseudoFiles.write(`${CGROUP_FOLDER}/cgroup.subtree_control`, '+memory');
    cgroups.mkdir('g');
    pseudoFiles.write(`${CGROUP_FOLDER}/g/cgroup.procs`, String(this.task.struct.pid));
  }

  /** Anonymous bytes that the group pays for. */
  private charged(): number {
    const stat = String(this.machine.pseudoFiles.read(`${CGROUP_FOLDER}/g/memory.stat`));
    return Number(/^anon (\d+)/m.exec(stat)?.[1] ?? -1);
  }

  private hold(folio: number, name: string): void {
    const { folios, table } = this.machine;
    folios.get(folio);
    this.count(name);
    this.undo.push(() => folios.put(table.head(folio)));
  }

  /** Called for each destination, while the sources are unmapped. */
  private onAlloc(order: number): boolean {
    if (this.injection !== null || this.prng.below(16) === 0) this.auditBetween();
    const injection = this.injection;
    this.injection = null;
    injection?.();
    if (order !== this.failOrder) return false;
    this.count(`allocation of order ${order}`);
    return true;
  }

  /** Between setup and finalize what is selected is locked and mapped nowhere. */
  auditBetween(): void {
    const { ptes, table } = this.machine;
    const { start, end } = this.range;
    let wrong = 0;
    ptes.walk(this.task.mm.id, start, end, (slot) => {
      const bits = ptes.bits[slot]!;
      if (pteHoldsPage(bits) || !isMigrationType(pteType(bits))) return;
      const folio = table.head(ptes.value[slot]!);
      if (!table.has(folio, PG_locked) || table.folioMapcount(folio) > 0) wrong++;
    });
    assert(wrong === 0, 'what migrates is locked and mapped nowhere');
  }

  private change(start: number, end: number): void {
    const { sys } = this.machine;
    const addr = start * PAGE_SIZE;
    const length = (end - start) * PAGE_SIZE;
    const prot = this.prng.below(2) === 0 ? 1 : 3;
    if (this.prng.below(2) === 0) sys.mprotect.mprotect(this.task.struct, addr, length, prot);
    else sys.madvise.madvise(this.task.struct, addr, length, 4);
  }

  private pin(vpn: number): void {
    const { gup } = this.machine;
    const pfn = gup.pinLongterm(this.task.mm, vpn, 0);
    if (pfn < 0) return;
    assert(!this.isDevice(pfn), 'a pin never refers to device memory');
    gup.unpin(pfn);
  }

  private forkOrExit(): void {
    if (this.child !== null) {
      this.child.exit();
      this.child = null;
      return;
    }
    const child = this.task.fork('child');
    if (typeof child === 'number') return;
    this.child = child;
    this.checkForked([this.task.mm, child.mm]);
  }

  /** What two address spaces hold right after fork. */
  checkForked(mms: readonly MmStruct[]): void {
    for (const mm of mms) {
      this.eachEntry(mm.id, (bits, pfn) => {
        if ((bits & PTE_UNADDRESSABLE) === 0 || !this.isDevice(pfn)) return;
        assert((bits & PTE_WRITE) === 0, 'no write entry survives fork');
        assert(!this.machine.table.has(pfn, PG_anon_exclusive), 'nor an exclusive mark');
      });
    }
  }

  audit(): void {
    const mms = [this.task.mm, ...(this.child === null ? [] : [this.child.mm])];
    auditDevices({ machine: this.machine, mms, handles: this.handles });
  }

  private eachEntry(mmId: number, visit: (bits: number, pfn: number) => void): void {
    const { ptes } = this.machine;
    ptes.walk(mmId, 0, Infinity, (slot) => visit(ptes.bits[slot]!, ptes.value[slot]!));
  }

  private folioAt(vpn: number): number {
    const { ptes, table } = this.machine;
    const slot = ptes.find(this.task.mm.id, vpn);
    const bits = slot < 0 ? 0 : ptes.bits[slot]!;
    return pteMapsPage(bits) && ptes.value[slot]! > 0 ? table.head(ptes.value[slot]!) : -1;
  }

  private isDevice(pfn: number): boolean {
    return this.handles.some(({ device }) => device.owns(pfn));
  }

  private count(name: string): void {
    this.injected.set(name, (this.injected.get(name) ?? 0) + 1);
  }
}
