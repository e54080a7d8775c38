import { expect, test } from 'vitest';
import {
  diskSwap,
  MADV_PAGEOUT,
  MAP_ANONYMOUS,
  MAP_HUGETLB,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from '../../src/index.js';
import { machineOf } from '../machine-of.js';

const PROT = PROT_READ | PROT_WRITE;

test('status tells kinds of resident pages apart, and keeps the peaks', () => {
  const machine = machineOf({ plugins: [diskSwap({ pages: 64 })] });
  const task = machine.createTask('t');
  const values = (...names: string[]): string =>
    names
      .map((name) => machine.proc.status.field(task.struct, name)?.replace(/ kB$/, ''))
      .join(' ');
  const resident = (): string => values('VmHWM', 'VmRSS', 'RssAnon', 'RssFile', 'RssShmem');
  task.mmap(0, 8);
  for (let vpn = 0; vpn < 6; vpn++) task.write(vpn);
  task.read(6);
  const length = 4 << 12;
  const flags = MAP_ANONYMOUS | MAP_SHARED;
  machine.sys.mmap.mmap(task.struct, { addr: 100 << 12, length, prot: PROT, flags });
  const shared = machine.sys.mmap.mmap(task.struct, { addr: 0, length, prot: PROT, flags }) / 4096;
  task.write(shared);
  task.write(shared + 1);
  expect(resident()).toBe('32 32 24 0 8');
  expect(values('VmPeak', 'VmSize', 'VmSwap')).toBe('64 64 0');

  task.madvise(0, 2, MADV_PAGEOUT);
  expect(resident()).toBe('32 24 16 0 8');
  task.munmap(4, 4);
  expect(resident()).toBe('32 16 8 0 8');
  expect(values('VmPeak', 'VmSize', 'VmSwap')).toBe('64 48 8');

  const child = task.fork('child');
  if (typeof child === 'number') throw new Error('fork');
  expect(machine.proc.status.field(child.struct, 'VmPeak')).toBe('48 kB');
  task.mremap(0, 4, 1000, 6);
  expect(values('VmPeak', 'VmSize')).toBe('64 56');

  expect(machine.pseudoFiles.write('/proc/self/clear_refs', '5', task.struct)).toBe(0);
  expect(resident()).toBe('16 16 8 0 8');
  machine.verify();
});

test('status counts pages of the hugetlb pool apart', () => {
  const machine = machineOf({ nodes: [{ id: 0, pages: 16384, cpus: 1 }] });
  machine.pseudoFiles.write('/proc/sys/vm/nr_hugepages', '2');
  const task = machine.createTask('t');
  const flags = MAP_ANONYMOUS | MAP_PRIVATE | MAP_HUGETLB;
  const request = { addr: 1 << 30, length: 4 << 20, prot: PROT, flags };
  task.write(machine.sys.mmap.mmap(task.struct, request) / 4096);
  const field = (name: string): string | undefined => machine.proc.status.field(task.struct, name);
  expect([field('HugetlbPages'), field('VmRSS'), field('RssAnon')]).toEqual([
    '2048 kB',
    '0 kB',
    '0 kB',
  ]);
  expect(field('VmSize')).toBe('4096 kB');
});
