import {
  type Machine,
  type MmStruct,
  NOOP_BACKING_DEV,
  PAGE_SIZE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  type Task,
  VM_ACCOUNT,
  VM_DONTEXPAND,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_SHARED,
  vmFlags,
} from '@mm-lab/mm-core';

const MAY = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
const RW = vmFlags(PROT_READ | PROT_WRITE) | MAY;
const RO = vmFlags(PROT_READ) | MAY;
const RX = vmFlags(PROT_READ | PROT_EXEC) | MAY;

/** First page and size of what the recorder's program maps itself. */
const TEXT = { at: 0x400, pages: 164 } as const;
const RODATA = { at: 0x500, pages: 2 } as const;
const DATA = { at: 0x600, pages: 162 } as const;
const SCRATCH = { at: 0x6_0000_0000, pages: 3021 } as const;
/** What goes to a test device and comes back. */
const BOUNCE = { at: 0x6_1000_0000, pages: 2048 } as const;
const STACK = { at: 0x7_ffff_ffdd, pages: 34 } as const;
const VVAR = { at: 0x7_ffff_ff00, pages: 8 } as const;

/** The memory that the recorder shares between its processes. */
export type Scratch = NonNullable<Parameters<Machine['mmap']['mmap']>[4]>;

/** Made once for each machine. */
export function recorderScratch({ files }: Machine): Scratch {
  return { file: files.create('shmem', 'recorder', SCRATCH.pages * PAGE_SIZE), pgoff: 0 };
}

/**
 * Maps what the recorder's program has besides the regions of a case, as limits count it. Only what
 * it has for itself alone is populated, by `warmUp`: that is what groups are charged for.
 */
export function mapRecorder({ mmap }: Machine, mm: MmStruct, scratch: Scratch): void {
  mmap.mmap(mm, TEXT.at, TEXT.pages, RX);
  mmap.mmap(mm, RODATA.at, RODATA.pages, RO);
  mmap.mmap(mm, DATA.at, DATA.pages, RW | VM_ACCOUNT);
  mmap.mmap(mm, SCRATCH.at, SCRATCH.pages, RW | VM_SHARED | VM_MAYSHARE, scratch);
  mmap.mmap(mm, VVAR.at, VVAR.pages, RO | VM_DONTEXPAND);
  mmap.mmap(mm, STACK.at, STACK.pages, RW | VM_GROWSDOWN | VM_ACCOUNT);
}

/** Maps and populates the buffer that a test device reads from and writes to. */
export function mapBounce(machine: Machine, task: Task): void {
  const file = machine.files.create('shmem', 'bounce', BOUNCE.pages * PAGE_SIZE);
  const flags = RW | VM_SHARED | VM_MAYSHARE;
  machine.mmap.mmap(task.mm, BOUNCE.at, BOUNCE.pages, flags, { file, pgoff: 0 });
  for (let vpn = BOUNCE.at; vpn < BOUNCE.at + BOUNCE.pages; vpn++) task.write(vpn);
}

/** Pages of the program's file that every task of it uses, and that are in its file. */
const TEXT_USED = 152;
const PROGRAM_BYTES = 974_456;
/** Private pages of the program beside its data: of the task that starts the others, of each. */
const OWN = { at: 0x700, ofStarter: 36, ofTask: 2 } as const;
/** Pages of the shared memory that are locked, by the task that started the others. */
const SCRATCH_LOCKED = 1937;

/** The file of the recorder's program; the guest's root file system is memory. */
export function recorderProgram({ files }: Machine): Scratch {
  return { file: files.create('regular', '/init', PROGRAM_BYTES, NOOP_BACKING_DEV), pgoff: 0 };
}

/** The task that started the others has the shared memory in use and part of it locked. */
export function startRecorder(machine: Machine, scratch: Scratch): void {
  const task = machine.createTask('recorder', machine.nodes.nidOfCpu(0));
  const { at, pages } = SCRATCH;
  const shared = RW | VM_SHARED | VM_MAYSHARE;
  const rest = { ...scratch, pgoff: SCRATCH_LOCKED };
  machine.mmap.mmap(task.mm, at, SCRATCH_LOCKED, shared | VM_LOCKED, scratch);
  machine.mmap.mmap(task.mm, at + SCRATCH_LOCKED, pages - SCRATCH_LOCKED, shared, rest);
  for (let vpn = at; vpn < at + pages; vpn++) task.write(vpn);
  machine.mmap.mmap(task.mm, OWN.at, OWN.ofStarter, RW | VM_ACCOUNT);
  for (let vpn = OWN.at; vpn < OWN.at + OWN.ofStarter; vpn++) task.write(vpn);
}

/** Uses all of the program and of the shared memory that a task of the recorder does. */
export function useProgram({ mmap }: Machine, task: Task, program: Scratch): void {
  mmap.mmap(task.mm, TEXT.at, TEXT.pages, RX, program);
  for (let vpn = TEXT.at; vpn < TEXT.at + TEXT_USED; vpn++) task.read(vpn);
  for (let vpn = SCRATCH.at; vpn < SCRATCH.at + SCRATCH.pages; vpn++) task.write(vpn);
  mmap.mmap(task.mm, OWN.at, OWN.ofTask, RW | VM_ACCOUNT);
  for (let vpn = OWN.at; vpn < OWN.at + OWN.ofTask; vpn++) task.write(vpn);
}

/** Pages that taking a signal stores to: the jump buffer, what came with it, its name, the list. */
const HANDLER_PAGES = 4;

/** What a forked task's first signal costs besides: none to two, as the boot has it. */
const FIRST_SIGNAL_FAULTS = 1;

/**
 * Stores to what the recorder's signal handler does. It counts as faults if something has protected
 * those pages since the task began, as clearing soft-dirty does.
 */
export function takeSignal(task: Task, isFirstOfFork: boolean): void {
  for (let vpn = DATA.at; vpn < DATA.at + HANDLER_PAGES; vpn++) task.write(vpn);
  if (isFirstOfFork) task.struct.minFlt += FIRST_SIGNAL_FAULTS;
}

/**
 * Stores to what a program has for itself alone, as the recorder does when a task begins. It
 * populates its areas, which leaves its CPU's LRU batch empty (faultin_page_range).
 */
export function warmUp({ folios }: Machine, task: Task): void {
  for (const { at, pages } of [DATA, STACK]) {
    for (let vpn = at; vpn < at + pages; vpn++) task.write(vpn);
  }
  folios.lruAddDrain();
}
