import { expect, test } from 'vitest';
import { EACCES, EINVAL, ENOENT } from '../../src/abi/errno.js';
import { createMachine } from '../../src/machine/builder.js';
import { parseNumber } from '../../src/sys/pseudo-file.js';

function machine() {
  const node = (id: number, cpus: number) => ({ id, pages: 16384, cpus });
  return createMachine({ seed: 1, nodes: [node(0, 1), node(1, 0), node(2, 0)] }, []);
}

test('tunables are read and written as text, and refuse what the kernel refuses', () => {
  const { pseudoFiles: files } = machine();
  expect(files.read('/proc/sys/vm/swappiness')).toBe('60');
  expect(files.write('/proc/sys/vm/swappiness', '200\n')).toBe(0);
  expect(files.write('/proc/sys/vm/swappiness', '201')).toBe(-EINVAL);
  expect(files.write('/proc/sys/vm/swappiness', 'much')).toBe(-EINVAL);
  expect(files.read('/proc/sys/vm/swappiness')).toBe('200');
  expect(files.write('/sys/kernel/mm/numa/demotion_enabled', '1')).toBe(0);
  expect(files.read('/sys/kernel/mm/numa/demotion_enabled')).toBe('true');
  expect(files.write('/sys/kernel/mm/numa/demotion_enabled', 'off')).toBe(0);
  expect(files.read('/sys/kernel/mm/numa/demotion_enabled')).toBe('false');
  expect(files.read('/proc/sys/vm/nothing')).toBe(-ENOENT);
  expect(files.write('/sys/devices/system/node/online', '1')).toBe(-EACCES);
});

test('node states are lists of ranges', () => {
  const { pseudoFiles: files } = machine();
  expect(files.read('/sys/devices/system/node/has_memory')).toBe('0-2');
  expect(files.read('/sys/devices/system/node/has_cpu')).toBe('0');
  expect(files.read('/sys/devices/system/node/node1/distance')).toBe('20 10 20');
});

test('watermarks follow what is written', () => {
  const { nodes, pseudoFiles: files } = machine();
  const min = nodes.zones[0]?.watermark[0];
  expect(files.write('/proc/sys/vm/min_free_kbytes', '16384')).toBe(0);
  expect(files.read('/proc/sys/vm/min_free_kbytes')).toBe('16384');
  expect(nodes.zones[0]?.watermark[0]).toBeGreaterThan(min ?? 0);
});

test('groups have files as soon as they are made', () => {
  const { cgroups, pseudoFiles: files } = machine();
  expect(files.read('/sys/fs/cgroup/a/cgroup.procs')).toBe(-ENOENT);
  expect(cgroups.mkdir('a')).toBe(0);
  expect(files.read('/sys/fs/cgroup/a/cgroup.controllers')).toBe('cpuset memory');
  expect(files.write('/sys/fs/cgroup/a/cgroup.procs', '77')).toBeLessThan(0);
});

test('numbers are read as the kernel reads them', () => {
  const numbers = ['12', ' 12\n', '0x10', '010', '-3', '1 2', '', 'x'].map(parseNumber);
  expect(numbers).toEqual([12, 12, 16, 8, -3, null, null, null]);
});

test('what a node holds is counted when somebody looks', () => {
  const built = machine();
  const task = built.createTask('t', 0);
  task.mmap(1 << 20, 100);
  for (let page = 0; page < 100; page++) task.write((1 << 20) + page);
  built.folios.lruAddDrainAll();
  const text = String(built.pseudoFiles.read('/sys/devices/system/node/node0/meminfo'));
  expect(text).toMatch(/AnonPages: +400 kB/);
  expect(text).toMatch(/Inactive\(anon\): +400 kB|Active\(anon\): +400 kB/);
  expect(built.pseudoFiles.read('/sys/devices/system/node/node0/numastat')).toBe(
    'numa_hit 100\nnuma_miss 0\nnuma_foreign 0\nlocal_node 100\nother_node 0',
  );
});
