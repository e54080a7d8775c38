import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Probe, runProbe } from '@mm-lab/lab';
import type { Machine, MachineConfig, Plugin, SiteName } from '@mm-lab/mm-core';
import type { NodePrivateOptions } from '@mm-lab/node-private';
import { describe, expect, test, vi } from 'vitest';
import { BROKEN, type Breakage, DOCTORED } from './broken.ts';

/** What is broken while an experiment runs. */
const broken = vi.hoisted(() => {
  const nothing: Omit<Breakage, 'fails'> = {};
  return { now: nothing };
});

vi.mock('@mm-lab/node-private', async (original) => {
  const real = await original<typeof import('@mm-lab/node-private')>();
  const nodePrivate = (options: NodePrivateOptions = {}): Plugin => {
    const plugin = real.nodePrivate({ ...options, ...broken.now.options });
    return {
      ...plugin,
      probe(services) {
        plugin.probe?.(services);
        broken.now.patchServices?.(services);
      },
    };
  };
  return { ...real, nodePrivate };
});

vi.mock('@mm-lab/mm-core', async (original) => {
  const real = await original<typeof import('@mm-lab/mm-core')>();
  class WithoutSites extends real.Sites {
    private readonly gone: ReadonlySet<number>;

    constructor(gone: readonly SiteName[]) {
      super();
      this.gone = new Set(gone.map((name) => real.Sites.index(name)));
    }

    override count(site: number, managed: boolean): boolean {
      return super.count(site, managed && !this.gone.has(site));
    }
  }
  const createMachine = (config: MachineConfig, plugins: readonly Plugin[] = []): Machine => {
    const { gone, patch } = broken.now;
    const without: Plugin = {
      name: 'broken',
      register: (services) => {
        if (gone !== undefined) services.bindValue(real.SitesToken, new WithoutSites(gone));
      },
    };
    const machine = real.createMachine(config, gone ? [...plugins, without] : plugins);
    patch?.(machine);
    return machine;
  };
  return { ...real, createMachine };
});

const FOLDER = fileURLToPath(new URL('./', import.meta.url));
const NAMES = readdirSync(FOLDER).filter((name) => /^\d.*\.ts$/.test(name));
const EXPERIMENTS = await Promise.all(
  NAMES.map(async (file): Promise<readonly [string, Probe]> => {
    const loaded: { readonly default: Probe } = await import(
      /* @vite-ignore */ `./${file.slice(0, -3)}.ts`
    );
    return [file.slice(0, -3), loaded.default];
  }),
);

/** The claim that begins so. */
function claimOf({ claims }: Probe, start: string): string {
  const found = claims.filter(({ text }) => text.startsWith(start));
  expect(found.length, `one claim begins with "${start}"`).toBe(1);
  return found[0]?.text ?? '';
}

test('every claim is seen to fail, by a broken mechanism or by other figures', () => {
  for (const [name, probe] of EXPERIMENTS) {
    const starts = [
      ...(BROKEN[name] ?? []).flatMap(({ fails }) => fails),
      ...Object.keys(DOCTORED[name] ?? {}),
    ];
    const seen = starts.map((start) => claimOf(probe, start));
    expect(seen.sort(), name).toEqual(probe.claims.map(({ text }) => text).sort());
  }
});

describe.for(EXPERIMENTS.filter(([name]) => name in BROKEN))('%s', ([name, probe]) => {
  for (const { fails, ...what } of BROKEN[name] ?? []) {
    test(`fails where it must: ${fails.join('; ')}`, { timeout: 120_000 }, async () => {
      broken.now = what;
      const { claims } = await runProbe(probe);
      const failed = claims.filter(({ holds }) => !holds).map(({ text }) => text);
      expect(failed).toEqual(expect.arrayContaining(fails.map((start) => claimOf(probe, start))));
    });
  }
});
