import { expect, test } from 'vitest';
import { createMachine, type MachineConfig, MmError } from '../../src/index.js';

const DRAM = { id: 0, pages: 1024, cpus: 1 };

const IMPOSSIBLE: readonly (Partial<MachineConfig> & { readonly code: string })[] = [
  { code: 'MACHINE_NO_MEMORY', nodes: [] },
  { code: 'MACHINE_NO_MEMORY', nodes: [{ ...DRAM, online: false }] },
  { code: 'MACHINE_NO_CPU', nodes: [{ id: 0, pages: 1024 }] },
  { code: 'MACHINE_DUPLICATE_NODE', nodes: [DRAM, { id: 0, pages: 64 }] },
  { code: 'MACHINE_BAD_NODE', nodes: [{ ...DRAM, id: 64 }] },
  { code: 'MACHINE_BAD_NODE', nodes: [{ ...DRAM, pages: 1.5 }] },
  { code: 'MACHINE_BAD_NODE', nodes: [{ ...DRAM, lineNs: 0 }] },
  { code: 'MACHINE_BAD_DISTANCES', distances: [[10, 20]] },
  { code: 'MACHINE_BAD_DISTANCES', distances: [[20]] },
  { code: 'MACHINE_BAD_OPTION', sysctl: { swappiness: 201 } },
  { code: 'MACHINE_BAD_OPTION', seed: 0.5 },
  { code: 'MACHINE_BAD_OPTION', nodes: [{ ...DRAM, pages: 2 ** 31 }] },
];

test.each(IMPOSSIBLE)('an impossible machine is refused: $code', ({ code, ...config }) => {
  const build = (): unknown => createMachine({ seed: 1, nodes: [DRAM], ...config }, []);
  expect(build).toThrow(MmError);
  expect(build).toThrow(expect.objectContaining({ code }));
});

test('a plugin twice, and a plugin that throws, are named', () => {
  const plugin = { name: 'p' };
  const throwing = {
    name: 'q',
    probe(): void {
      throw new Error('no');
    },
  };
  const build = (plugins: readonly { name: string }[]) => () =>
    createMachine({ seed: 1, nodes: [DRAM] }, plugins);
  expect(build([plugin, plugin])).toThrow(/^p: a plugin stands twice/);
  expect(build([throwing])).toThrow(/^q: a plugin threw in probe: no/);
});
