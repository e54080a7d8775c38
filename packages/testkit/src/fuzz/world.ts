import {
  type AccessResult,
  type AddressSpace,
  isMigrationType,
  type Machine,
  MmError,
  type OpenFile,
  PAGE_SIZE,
  PG_hugetlb,
  PG_hwpoison,
  PG_swapcache,
  type Prng,
  PTE_SPECIAL,
  PTE_TYPE_SWAP,
  pteHoldsPage,
  pteMapsPage,
  pteType,
  type TaskStruct,
  VERSION_LOST,
  VERSION_ZERO,
} from '@mm-lab/mm-core';
import { bytesOf } from './fuzz-data.js';
import { sideAccess } from './side-access.js';
import { SharedObject, SIDE_BASE, SIDE_PAGES, UNKNOWN } from './side-model.js';
import { MARK_LAZY, MARK_UFFD, TaskModel, WINDOW_PAGES } from './task-model.js';

/** Pages of a regular file until it is truncated. */
const FILE_PAGES = 128;

/** Tasks alive at a time. */
const TASKS_MAX = 4;
/** What a read found, should have found, and how many lost pages the machine counted for it. */
interface CheckedRead {
  readonly found: number;
  readonly expected: number;
  readonly counted: number;
}

/** Tries of an access that its driver may let hang. */
const HANG_TRIES = 300;

/** What a driver under test is allowed to do. */
export interface Allowances {
  /** It may lose contents (it overflows, say). Stale and leaked contents are never allowed. */
  readonly loses: boolean;
  /** A store may fault for ever; the program is then killed. */
  readonly hangs: boolean;
}

/** A file that programs map, read and write, and what it must hold. */
export interface WorldFile {
  readonly open: OpenFile;
  readonly object: SharedObject;
}

/** A page of a program. */
export interface PageOf {
  readonly model: TaskModel;
  readonly index: number;
}

/**
 * One fuzzed machine with the independent model of each of its programs. Operations act on the
 * machine and on the model, and the world compares the two.
 */
export class FuzzWorld {
  readonly models: TaskModel[] = [];
  /** Kernel pages that the fuzzer itself holds, by first pfn. */
  readonly held: number[] = [];
  /** Pinned folios, by first pfn. */
  readonly pins = new Set<number>();
  /** Pages lost to injected poison so far. */
  poisonSeen = 0;
  /** Frames poisoned so far. */
  poisonings = 0;
  /** Pages that were to be taken out of use softly so far. */
  offlined = 0;
  /** Pages that the model missed, each of which the machine counted. */
  losses = 0;
  /** Reads and stores checked against the model. */
  checks = 0;
  /** May pages be offered to KSM, because `bytesOf` tells which stores wrote the same? */
  mayMerge = true;
  /** Number of the next mmap of a side area. */
  mappingNext = 1;
  private readonly files: WorldFile[] = [];
  /** Were pages offered to KSM? A page may then be another store's of the same bytes. */
  merges = false;
  private tasksMade = 0;

  constructor(
    readonly machine: Machine,
    readonly random: Prng,
    private readonly base: number,
    readonly allow: Allowances,
  ) {
    machine.folios.addHolder(() => this.held);
    // Each try of a store that hangs may be a run of direct reclaim.
    if (allow.hangs) machine.engine.triesMax = HANG_TRIES;
  }

  /** A live program; makes one if there is none. */
  anyModel(): TaskModel {
    if (this.models.length === 0) return this.spawn();
    return this.random.pick(this.models);
  }

  mayFork(): boolean {
    return this.models.length < TASKS_MAX;
  }

  /** A new program with nothing mapped. */
  spawn(): TaskModel {
    const nid = this.random.pick(this.cpuNodes());
    const task = this.machine.createTask(`task${this.tasksMade++}`, nid);
    const model = new TaskModel(task, this.base);
    this.models.push(model);
    return model;
  }

  cpuNodes(): number[] {
    return [...this.machine.nodes.all()].filter(({ cpus }) => cpus > 0).map(({ nid }) => nid);
  }

  /** Programs that exited or were killed go. */
  bury(): void {
    for (const model of [...this.models]) {
      if (this.machine.oom.isVictim(model.task.mm.id)) model.task.exit();
      if (!model.task.alive) this.models.splice(this.models.indexOf(model), 1);
    }
  }

  /** A system call of the program, its time spent. @returns what it returned */
  call({ task }: TaskModel, run: (task: TaskStruct) => number): number {
    this.machine.work.runAs(task.struct);
    const rc = run(task.struct);
    this.machine.spend();
    return rc;
  }

  /** One access, its verdict and its contents compared with the model. */
  access(model: TaskModel, index: number, write: boolean, n: number): void {
    const allowed = model.allows(index, write);
    const { counts } = this.machine.engine.shadow;
    const lostBefore = counts.lostPages;
    const wasLost = this.contentAt(model, model.vpn(index)) === VERSION_LOST;
    const result = this.tryAccess(model, model.vpn(index), write, n);
    const lost = counts.lostPages - lostBefore;
    const mayLose = model.poisoned[index] === 1 || model.marked(index, MARK_LAZY);
    if (mayLose) this.poisonSeen += lost;
    if (result === 'killed') return;
    this.checks++;
    if (result === 'SIGBUS' && allowed && model.marked(index, MARK_UFFD)) {
      // The poison may have been met before the fault that was for the userfaultfd.
      if (model.poisoned[index] === 1 && lost === 1) model.drop(index, 1);
      return;
    }
    this.expect(result === (allowed ? 'ok' : 'SIGSEGV'), () => {
      const what = write ? 'store to' : 'load of';
      return `${what} page ${model.vpn(index)}: ${result}, allowed: ${allowed}`;
    });
    if (!allowed) return;
    if (model.poisoned[index] === 1) {
      const isLazy = model.marked(index, MARK_LAZY);
      this.expect(lost === 1 || isLazy, () => `poisoned page ${model.vpn(index)} was met`);
      model.poisoned[index] = 0;
      model.content[index] = lost > 0 ? VERSION_ZERO : model.content[index]!;
    }
    const found = this.contentOf(model, index);
    if (!write && found === VERSION_LOST && lost === 0 && !wasLost) {
      // An event after the load lost the page: the next one has to tell.
      this.access(model, index, false, 1);
      return;
    }
    if (write) this.noteStore(model, index, found);
    else this.compare(model, index, found, lost);
    if (write) model.mark(index, ~MARK_LAZY);
  }

  /** The access; a program that hangs in it is killed if its driver may let it hang. */
  tryAccess(model: TaskModel, vpn: number, write: boolean, n: number): AccessResult {
    try {
      return model.task.access(vpn, write, n);
    } catch (error) {
      const hangs = error instanceof MmError && error.code === 'ACCESS_LIVELOCK';
      if (!hangs || !this.allow.hangs) throw error;
      model.task.exit();
      return 'killed';
    }
  }

  /** Identity of what a page holds now; UNKNOWN if an event took it away since the access. */
  contentOf(model: TaskModel, index: number): number {
    const vpn = model.vpn(index);
    const slot = this.machine.ptes.find(model.task.mm.id, vpn);
    const isThere = slot >= 0 && this.machine.ptes.bits[slot] !== 0;
    const mayBeDropped = model.marked(index, MARK_LAZY);
    this.expect(isThere || mayBeDropped, () => `page ${vpn} has an entry after an access`);
    return this.contentAt(model, vpn);
  }

  /** The same of any page by its address; one of a file may be reclaimed without a trace. */
  contentAt(model: TaskModel, vpn: number): number {
    const { ptes, table } = this.machine;
    const slot = ptes.find(model.task.mm.id, vpn);
    const bits = slot < 0 ? 0 : ptes.bits[slot]!;
    if (!pteMapsPage(bits)) return UNKNOWN;
    return (bits & PTE_SPECIAL) !== 0 ? VERSION_ZERO : table.version[ptes.value[slot]!]!;
  }

  /** Pages of programs whose entry names this frame: mapped, a device's, or under migration. */
  mappersOf(pfn: number): PageOf[] {
    return this.pagesWith((bits, value) => {
      const mapped = pteHoldsPage(bits) && (bits & PTE_SPECIAL) === 0;
      return value === pfn && (mapped || isMigrationType(pteType(bits)));
    });
  }

  /** Pages of programs whose entry names this swap slot. */
  swappedTo(swapSlot: number): PageOf[] {
    return this.pagesWith((bits, value) => {
      return value === swapSlot && !pteMapsPage(bits) && pteType(bits) === PTE_TYPE_SWAP;
    });
  }

  /** Files that programs may map, read and write. */
  openFiles(): readonly WorldFile[] {
    if (this.files.length > 0) return this.files;
    const { sys, files } = this.machine;
    for (const name of ['memfd a', 'memfd b']) {
      this.files.push({
        open: sys.openFiles.memfdCreate(name),
        object: new SharedObject('shmem', 0),
      });
    }
    for (const name of ['file c', 'file d']) {
      const mapping = files.create('regular', name, FILE_PAGES * PAGE_SIZE);
      const object = new SharedObject('regular', FILE_PAGES);
      this.files.push({ open: { mapping, canRead: true, canWrite: true }, object });
    }
    return this.files;
  }

  /** Poison or its like hits a frame: what side areas hold there may be gone from now on. */
  doubtSide(pfn: number): void {
    const place = this.machine.pageCache.placeOf(pfn);
    const file = this.files.find(({ open }) => open.mapping === place?.file);
    if (place !== null) file?.object.unsure.add(place.index);
    for (const model of this.models) {
      for (const [at, page] of model.side.pages.entries()) {
        if (page === null) continue;
        const isNamed = this.isNamed(model, SIDE_BASE + at, pfn);
        const isOfFile = page.index === place?.index && this.fileAt(model, at) === place.file;
        if (isNamed) page.isUnsure = true;
        if (isNamed && page.isHuge) page.object?.unsure.add(page.index);
        if (isOfFile) page.object?.unsure.add(page.index);
      }
    }
  }

  private fileAt({ task }: TaskModel, at: number): AddressSpace | null {
    return task.mm.find(SIDE_BASE + at)?.file ?? null;
  }

  /**
   * Does the entry name the frame, any of the huge page that it is of, or a slot that the frame is
   * the copy of?
   */
  private isNamed(model: TaskModel, vpn: number, pfn: number): boolean {
    const { ptes, swap, table } = this.machine;
    const slot = ptes.find(model.task.mm.id, vpn);
    const bits = slot < 0 ? 0 : ptes.bits[slot]!;
    if (bits === 0) return false;
    const swapped = !pteMapsPage(bits) && pteType(bits) === PTE_TYPE_SWAP;
    const cached = swapped && table.has(pfn, PG_swapcache) ? swap.slotOf(pfn) : -1;
    const isOfHuge = !swapped && table.has(table.head(pfn), PG_hugetlb);
    if (isOfHuge) return table.head(ptes.value[slot]!) === table.head(pfn);
    return ptes.value[slot] === (swapped ? cached : pfn);
  }

  /** Reads every page of every program once. */
  sweep(): void {
    for (const model of [...this.models]) {
      for (let index = 0; index < WINDOW_PAGES && model.task.alive; index++) {
        if (model.isMapped(index)) this.access(model, index, false, 1);
      }
      for (let at = 0; at < SIDE_PAGES && model.task.alive; at++) {
        if (model.side.pages[at] !== null) sideAccess(this, model, at, false);
      }
    }
    this.bury();
  }

  /** What the machine itself counted against what the fuzzer did to it. */
  checkCounts(): void {
    const { counts } = this.machine.engine.shadow;
    this.expect(counts.staleReads === 0, () => `${counts.staleReads} stale reads`);
    this.expect(counts.leakedPages === 0, () => `${counts.leakedPages} leaked pages`);
    const lost = counts.lostPages - this.poisonSeen;
    this.expect(this.allow.loses || lost === 0, () => `${lost} pages lost without poison`);
    const leaked = this.machine.zoneAlloc.leakedAllocations;
    this.expect(leaked === 0, () => `${leaked} pages of private nodes given to others`);
    for (const model of this.models) this.checkPins(model);
  }

  expect(holds: boolean, message: () => string): void {
    if (!holds) throw new Error(message());
  }

  private pagesWith(matches: (bits: number, value: number) => boolean): PageOf[] {
    const { ptes } = this.machine;
    const found: PageOf[] = [];
    for (const model of this.models) {
      for (let index = 0; index < WINDOW_PAGES; index++) {
        const slot = ptes.find(model.task.mm.id, model.vpn(index));
        const bits = slot < 0 ? 0 : ptes.bits[slot]!;
        if (bits !== 0 && matches(bits, ptes.value[slot]!)) found.push({ model, index });
      }
    }
    return found;
  }

  /** Equal identities; or equal bytes, once pages were merged by them. */
  sameBytes(found: number, expected: number): boolean {
    if (found === expected) return true;
    return this.merges && found > 0 && expected > 0 && bytesOf(found) === bytesOf(expected);
  }

  private noteStore(model: TaskModel, index: number, found: number): void {
    const fresh = found === UNKNOWN || (found > 0 && found !== model.content[index]);
    const lost = this.allow.loses && found === VERSION_LOST;
    this.expect(fresh || lost, () => `a store to page ${model.vpn(index)} left ${found}`);
    model.content[index] = lost ? UNKNOWN : found;
  }

  private compare(model: TaskModel, index: number, found: number, counted: number): void {
    if (found === UNKNOWN) return;
    const expected = model.content[index]!;
    this.checkLoss(model, index, { found, expected, counted });
    const dropped = found === VERSION_ZERO && model.marked(index, MARK_LAZY);
    const right = this.sameBytes(found, expected) || expected === UNKNOWN || dropped;
    const lost = this.allow.loses && (found === VERSION_ZERO || found === VERSION_LOST);
    this.expect(right || lost, () => {
      return `page ${model.vpn(index)} holds ${found}, the program stored ${expected}`;
    });
    model.content[index] = found;
  }

  /** A driver may lose pages, but the machine counts each that the model misses, and no other. */
  private checkLoss(model: TaskModel, index: number, read: CheckedRead): void {
    const { found, expected, counted } = read;
    if (!this.allow.loses || expected === UNKNOWN || model.marked(index, MARK_LAZY)) return;
    const isGone = found === VERSION_ZERO || found === VERSION_LOST;
    const missed = isGone && found !== expected ? 1 : 0;
    // Poison in a page of zeroes is a loss that the contents do not show.
    const isHidden = expected === VERSION_ZERO && counted === 1;
    this.expect(counted === missed || isHidden, () => {
      return `page ${model.vpn(index)}: ${counted} losses counted, the model misses ${missed}`;
    });
    this.losses += counted;
  }

  /** A pin holds a page where it is mapped; poison takes the mapping away all the same. */
  private checkPins(model: TaskModel): void {
    const { ptes, table } = this.machine;
    for (const [index, pfn] of model.pinned) {
      if (table.has(pfn, PG_hwpoison)) continue;
      const slot = ptes.find(model.task.mm.id, model.vpn(index));
      // A device may have it for itself: such an entry holds the page too.
      const same = slot >= 0 && pteHoldsPage(ptes.bits[slot]!) && ptes.value[slot] === pfn;
      this.expect(same, () => `pinned page ${model.vpn(index)} is still on frame ${pfn}`);
    }
  }
}
