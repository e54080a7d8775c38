/** How much of a device's memory is to be had in huge pages after programs came and went. */
import { Prng, type Task } from '@mm-lab/mm-core';
import { shuffled } from '@mm-lab/workloads';
import { type DeviceBackend, type DeviceLab, HUGE, onDevice } from './kit.ts';

export const DRAM_PAGES = 8192;

/** Fills all of the device page by page, frees in random order, and asks for huge pages. */
export function churn(backend: DeviceBackend, devicePages: number, survivors: number): number {
  const lab = backend.build({ dramPages: DRAM_PAGES, devicePages });
  const { machine } = lab;
  const task = machine.createTask('churn');
  task.mmap(0, devicePages);
  for (let vpn = 0; vpn < devicePages; vpn++) task.write(vpn);
  lab.toDevice(task, 0, devicePages);
  for (const vpn of shuffled(devicePages, new Prng(1)).slice(survivors)) task.munmap(vpn, 1);
  machine.sleep(1e9);
  const found = lab.hugePages();
  machine.verify();
  return found;
}

const MIX_PAGES = 8 * HUGE;
const ROUNDS = 6;
const BUFFER_PAGES_MAX = 256;
/** Shares of the device that buffers fill, and that stay when a round ends. */
const FULL = 7 / 8;
const LEFT = 1 / 8;

/** A buffer on the device, whose pages come and go together. */
interface Buffer {
  readonly start: number;
  readonly pages: number;
}

/**
 * Buffers of 1 to 256 pages fill the device and go in random order, round after round, so that some
 * stay for long among those that don't. @returns huge pages to be had when each round ends, in
 * percent of those that the free pages would make
 */
export function mixedChurn(backend: DeviceBackend): number {
  const lab = backend.build({ dramPages: DRAM_PAGES, devicePages: MIX_PAGES });
  const { machine } = lab;
  const task = machine.createTask('churn');
  const random = new Prng(1);
  const buffers: Buffer[] = [];
  let next = 0;
  let had = 0;
  let could = 0;
  for (let round = 0; round < ROUNDS; round++) {
    while (onDevice(machine, task) < FULL * MIX_PAGES) {
      const buffer = { start: next, pages: 1 + random.below(BUFFER_PAGES_MAX) };
      next += buffer.pages;
      if (!fill(lab, task, buffer)) break;
      buffers.push(buffer);
    }
    while (onDevice(machine, task) > LEFT * MIX_PAGES) {
      const [gone] = buffers.splice(random.below(buffers.length), 1);
      if (gone !== undefined) task.munmap(gone.start, gone.pages);
    }
    machine.sleep(1e9);
    had += lab.hugePages();
    could += Math.floor((MIX_PAGES - onDevice(machine, task)) / HUGE);
  }
  machine.verify();
  return Math.round((1000 * had) / could) / 10;
}

/** @returns is any of it on the device? */
function fill({ machine, toDevice }: DeviceLab, task: Task, { start, pages }: Buffer): boolean {
  task.mmap(start, pages);
  for (let vpn = start; vpn < start + pages; vpn++) task.write(vpn);
  toDevice(task, start, pages);
  return onDevice(machine, task, start, start + pages) > 0;
}
