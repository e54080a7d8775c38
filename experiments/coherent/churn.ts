/** How much of a device's memory is to be had in huge pages after programs came and went. */
import { Prng, type Task } from '@mm-lab/mm-core';
import { shuffled } from '@mm-lab/workloads';
import { type DeviceBackend, type DeviceLab, HUGE, onDevice } from './kit.ts';

export const DRAM_PAGES = 8192;

/**
 * How long a device is left alone before it is asked for huge pages, and after: what CRAM's driver
 * is given back it keeps until the next flush, within a second, the huge pages of the question too.
 */
const SETTLE_NS = 3e9;

/** Share of the device that programs fill: more, and reclaim of some memories takes pages out. */
const FULL = 7 / 8;
/** Share that stays when a round of the mix ends. */
const LEFT = 1 / 8;
const MIX_PAGES = 8 * HUGE;
const ROUNDS = 6;
const BUFFER_PAGES_MAX = 256;

/** Huge pages that were to be had, and those that the free pages would make. */
export interface HugePages {
  readonly had: number;
  readonly could: number;
}

/**
 * Fills the device page by page, frees in random order all but the survivors, and asks for huge
 * pages.
 */
export function churn(backend: DeviceBackend, { devicePages, survivors, seed }: Churn): HugePages {
  const lab = backend.build({ dramPages: DRAM_PAGES, devicePages });
  const { machine } = lab;
  const task = machine.createTask('churn');
  const pages = FULL * devicePages;
  if (!fill(lab, task, { start: 0, pages })) throw new Error(`${backend.name} is too small`);
  for (const vpn of shuffled(pages, new Prng(seed)).slice(survivors)) task.munmap(vpn, 1);
  const found = ask(lab, task, devicePages);
  machine.verify();
  return found;
}

/** What stays of how much, chosen by which seed. */
export interface Churn {
  readonly devicePages: number;
  readonly survivors: number;
  readonly seed: number;
}

/** A buffer on the device, whose pages come and go together. */
interface Buffer {
  readonly start: number;
  readonly pages: number;
}

/**
 * Buffers of 1 to 256 pages fill the device and go in random order, round after round, so that some
 * stay for long among those that don't. @returns the sums of what there was when each round ended
 */
export function mixedChurn(backend: DeviceBackend, seed: number): HugePages {
  const lab = backend.build({ dramPages: DRAM_PAGES, devicePages: MIX_PAGES });
  const { machine } = lab;
  const task = machine.createTask('churn');
  const random = new Prng(seed);
  const buffers: Buffer[] = [];
  let next = 0;
  let had = 0;
  let could = 0;
  for (let round = 0; round < ROUNDS; round++) {
    while (onDevice(machine, task) < FULL * MIX_PAGES) {
      const buffer = { start: next, pages: 1 + random.below(BUFFER_PAGES_MAX) };
      next += buffer.pages;
      if (!fill(lab, task, buffer)) throw new Error(`${backend.name} has no room in the mix`);
      buffers.push(buffer);
    }
    while (onDevice(machine, task) > LEFT * MIX_PAGES) {
      const [gone] = buffers.splice(random.below(buffers.length), 1);
      if (gone !== undefined) task.munmap(gone.start, gone.pages);
    }
    const found = ask(lab, task, MIX_PAGES);
    had += found.had;
    could += found.could;
  }
  machine.verify();
  return { had, could };
}

/** @returns is all of it on the device? */
function fill({ machine, toDevice }: DeviceLab, task: Task, { start, pages }: Buffer): boolean {
  task.mmap(start, pages);
  for (let vpn = start; vpn < start + pages; vpn++) task.write(vpn);
  toDevice(task, start, pages);
  return onDevice(machine, task, start, start + pages) === pages;
}

function ask({ machine, hugePages }: DeviceLab, task: Task, devicePages: number): HugePages {
  machine.sleep(SETTLE_NS);
  const had = hugePages();
  machine.sleep(SETTLE_NS);
  return { had, could: Math.floor((devicePages - onDevice(machine, task)) / HUGE) };
}
