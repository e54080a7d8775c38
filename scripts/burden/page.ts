// docs/driver-burden.md: what each backend's driver does itself, beside real drivers, and places of
// mm-core that its memory needs.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sitesOf } from '../../experiments/coherent/services/page.ts';
import { burdenOf } from './count.ts';
import { DRIVERS, type Driver, GROUPS, KERNEL_LINES } from './groups.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const MANAGEMENT = GROUPS.length - 1;

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function modelTable(): readonly string[] {
  const burdens = DRIVERS.map((driver) => burdenOf(root, driver));
  const at = (column: number, group: number) => {
    return burdens[column]?.get(GROUPS[group] ?? GROUPS[0]) ?? { lines: 0, functions: 0 };
  };
  const all = (column: number, kind: 'lines' | 'functions'): number =>
    sum(GROUPS.slice(0, MANAGEMENT).map((_, group) => at(column, group)[kind]));
  return [
    row(['duty', ...DRIVERS.map(({ name }) => name)]),
    row(['---', ...DRIVERS.map(() => '---:')]),
    ...GROUPS.map((group, index) =>
      row([
        group,
        ...DRIVERS.map((_, column) => {
          const { lines, functions } = at(column, index);
          return functions === 0 ? '–' : `${lines} (${functions})`;
        }),
      ]),
    ),
    row([
      '**memory management, without the mirror**',
      ...DRIVERS.map((_, column) => `**${all(column, 'lines')} (${all(column, 'functions')})**`),
    ]),
    row(['sites of mm-core that said special', ...DRIVERS.map(siteCount)]),
  ];
}

function siteCount({ memory }: Driver): number {
  const sites = memory.flatMap(({ mechanism, flags }) => [
    ...sitesOf(mechanism, flags === undefined ? {} : { flags }),
  ]);
  return new Set(sites).size;
}

function kernelTable(): readonly string[] {
  const drivers = Object.entries(KERNEL_LINES);
  return [
    row(['duty', ...drivers.map(([name]) => name)]),
    row(['---', ...drivers.map(() => '---:')]),
    ...GROUPS.map((group, index) =>
      row([group, ...drivers.map(([, lines]) => lines[index] ?? '–')]),
    ),
    row([
      '**memory management, without the mirror**',
      ...drivers.map(([, lines]) => `**${sum(lines.slice(0, MANAGEMENT).map((n) => n ?? 0))}**`),
    ]),
  ];
}

/** docs/driver-burden.md. */
export function burdenPage(): string {
  return `# What a driver does itself

Written by \`scripts/generate-docs.mjs\`; do not edit.

## The model's drivers

Code lines and, in brackets, functions, counted over the syntax tree: no blanks, comments, imports
or types. The ZONE_DEVICE columns do not count what Linux has in mm/memremap.c and
mm/migrate_device.c; the private-node columns do not count the core's migrate_pages. The mirror of
page tables is a library in all of them, as a device with its own page tables needs it either way.

${modelTable().join('\n')}

Of CRAM's policies one pair is needed, the pressure loop and a controller, which the posted series
has in its driver; the others replace what it does.

The last row is the other half of the bill: places of mm-core that said "special" of such memory
while every service of [services.md](services.md) ran on it, with the flags that its driver sets.
Places that a mechanism does not need because mm never meets its pages are work of its driver.

## Real drivers in Linux 7.3.4

Code lines, from the source; what TTM and the DRM allocator do for amdgpu and xe is not in them.

${kernelTable().join('\n')}
`;
}
