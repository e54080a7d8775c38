import { expect, test } from 'vitest';
import {
  MADV_RANDOM,
  type MemCgroups,
  MemCgroupsToken,
  type RmapWalk,
  RmapWalkToken,
} from '../../src/index.js';
import { machineOf, pfnOf } from '../machine-of.js';

/** A page that a program of group g and a child of it outside of the group have used. */
function sharedPage() {
  const found: { walk?: RmapWalk; memcgs?: MemCgroups } = {};
  const machine = machineOf({
    plugins: [
      {
        name: 'looks',
        probe: (services) => {
          found.walk = services.get(RmapWalkToken);
          found.memcgs = services.get(MemCgroupsToken);
        },
      },
    ],
  });
  machine.pseudoFiles.write('/sys/fs/cgroup/cgroup.subtree_control', '+memory');
  expect(machine.cgroups.mkdir('g')).toBe(0);
  const inside = machine.createTask('inside');
  inside.mmap(0, 1);
  inside.write(0);
  const outside = inside.fork('outside');
  if (typeof outside === 'number' || found.walk === undefined) throw new Error('no child');
  const { pid } = inside.struct;
  expect(machine.pseudoFiles.write('/sys/fs/cgroup/g/cgroup.procs', String(pid))).toBe(0);
  for (const task of [inside, outside]) task.read(0);
  const group = found.memcgs?.ofMm(inside.mm) ?? null;
  return { machine, walk: found.walk, inside, outside, group };
}

test('reclaim for a group does not ask who is outside of it whether a page was used', () => {
  const { machine, walk, outside, group } = sharedPage();
  const folio = pfnOf(machine, outside, 0);
  expect(group?.parent).not.toBeNull();
  expect([walk.folioReferenced(folio, group), walk.folioReferenced(folio)]).toEqual([1, 1]);
});

test('an area that is read at random says nothing of what is used', () => {
  const { machine, walk, inside, outside } = sharedPage();
  expect(inside.madvise(0, 1, MADV_RANDOM)).toBe(0);
  expect(walk.folioReferenced(pfnOf(machine, outside, 0))).toBe(1);
});
