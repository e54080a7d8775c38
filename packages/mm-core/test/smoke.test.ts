import { expect, test } from 'vitest';
import { createMachine, Prng, zramSwap, MADV_DONTNEED, MADV_PAGEOUT, PROT_NONE, PROT_READ, PROT_WRITE, type Task } from '../src/index.js';

function fuzz(seed: number, steps: number): void {
  const prng = new Prng(seed);
  const machine = createMachine(
    {
      seed,
      nodes: [
        { id: 0, pages: 1024 + prng.below(3000), cpus: 2 },
        { id: 1, pages: 512 + prng.below(2000), lineNs: 250 },
      ],
      sysctl: { demotion_enabled: prng.chance(0.5), min_free_kbytes: 256, thp_order: prng.below(5) },
    },
    prng.chance(0.7) ? [zramSwap({ pages: 8192, codec: 'lz4' })] : [],
  );
  let tasks: Task[] = [machine.createTask('p0')];
  for (let step = 0; step < steps; step++) {
    tasks = tasks.filter((t) => t.alive);
    if (tasks.length === 0) tasks.push(machine.createTask(`p${step}`));
    const task = prng.pick(tasks);
    const at = 4096 + prng.below(4096);
    const pages = 1 + prng.below(64);
    switch (prng.below(14)) {
      case 0: task.mmap(at, pages * 8, PROT_READ | PROT_WRITE, prng.chance(0.5) ? 0x20000000 : 0); break;
      case 1: task.munmap(at, pages); break;
      case 2: task.mprotect(at, pages, prng.pick([PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE])); break;
      case 3: if (tasks.length < 4) { const c = task.fork('c'); if (typeof c !== 'number') tasks.push(c); } break;
      case 4: if (tasks.length > 1) task.exit(); break;
      case 5: task.madvise(at, pages, prng.pick([MADV_DONTNEED, MADV_PAGEOUT])); break;
      case 6: task.movePages(Array.from({ length: pages }, (_, k) => at + k), prng.below(2)); break;
      case 7: task.mremap(at, pages, 4096 + prng.below(8192), 1 + prng.below(64)); break;
      case 8: if (prng.chance(0.2)) task.mlock(at, prng.below(8)); else task.munlock(at, pages); break;
      case 9: { const p = task.pinLongterm(at); if (p >= 0) task.unpin(p); break; }
      default:
        for (let k = 0; k < pages && task.alive; k++) task.access(at + k, prng.chance(0.5), 1 + prng.below(100));
    }
    machine.verify();
    const c = machine.engine.shadow.counts;
    if (c.lostPages + c.staleReads + c.leakedPages > 0) throw new Error(`integrity ${JSON.stringify(c)} at step ${step}`);
  }
}

test('a short fuzz', () => {
  for (let seed = 1; seed <= 40; seed++) {
    try { fuzz(seed, 300); } catch (e) { throw new Error(`seed ${seed}: ${(e as Error).message}\n${(e as Error).stack}`); }
  }
  expect(1).toBe(1);
});
