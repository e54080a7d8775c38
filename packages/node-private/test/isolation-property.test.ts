import { SITE_FACTS, type SiteName, type SiteService } from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import {
  CUTS,
  ISOLATION_CUTS,
  NEVER_REFUSED,
  NO_WAY_IN,
  V5_CUTS,
  withoutSite,
} from './isolation-mutations.js';
import { STEP_KINDS, search } from './isolation-search.js';

/** Machines of a search, and of one for a site that is no gate. */
const RUNS = 250;
const RUNS_FEW = 60;
/** CPU seconds in which a gate that is missing must show. */
const SECONDS_MAX = 1;

/** Services that have to do with where memory comes from. */
const SERVICES: readonly SiteService[] = [
  'allocation gate',
  'zonelist',
  'cpuset',
  'mempolicy',
  'demotion',
  'migration',
  'hotplug',
];
/** Their sites in the posted series. */
const SITES = Object.keys(SITE_FACTS)
  .filter((name): name is SiteName => Object.hasOwn(SITE_FACTS, name))
  .filter((name) => SITE_FACTS[name].patch > 0 && SERVICES.includes(SITE_FACTS[name].service));
const NO_GATES = { ...NO_WAY_IN, ...NEVER_REFUSED };
const gates = SITES.filter((name) => NO_GATES[name] === undefined);

/** Generous: the searches take seconds of CPU, which a busy machine may be long to give. */
const PATIENCE = { timeout: 180_000 };

describe('X10: nothing that did not ask lands on a private node', PATIENCE, () => {
  test.for(['v4-ops', 'v5-caps'] as const)('%s: over machines, calls and daemons', (profile) => {
    const { found, taken, work } = search(profile, RUNS);
    expect(found).toBe(null);
    expect([...taken].sort()).toEqual([...STEP_KINDS].sort());
    const idle = Object.entries(work).filter(([, count]) => count === 0);
    expect(idle).toEqual([]);
  });

  test('every site that is no gate is one of the services, and has one reason', () => {
    const named = [...Object.keys(NO_WAY_IN), ...Object.keys(NEVER_REFUSED)];
    expect(named.filter((name) => !SITES.some((site) => site === name))).toEqual([]);
    expect(named.length).toBe(new Set(named).size);
  });

  test.for(gates)('without the gate %s it is found out within a second', (name) => {
    const { found, cpuSeconds } = search('v4-ops', RUNS, CUTS[name] ?? withoutSite(name));
    expect(found).not.toBe(null);
    expect(cpuSeconds).toBeLessThan(SECONDS_MAX);
  });

  test.for(Object.entries(ISOLATION_CUTS))('without %s it is found out', ([, mutate]) => {
    const { found, cpuSeconds } = search('v4-ops', RUNS, mutate);
    expect(found).not.toBe(null);
    expect(cpuSeconds).toBeLessThan(SECONDS_MAX);
  });

  test.for(Object.entries(V5_CUTS))('v5-caps: without %s it is found out', ([, mutate]) => {
    const { found, cpuSeconds } = search('v5-caps', RUNS, mutate);
    expect(found).not.toBe(null);
    expect(cpuSeconds).toBeLessThan(SECONDS_MAX);
  });

  test('sites that are no gates let nobody in when their answers are turned', () => {
    const names = SITES.filter((name) => NO_WAY_IN[name] !== undefined);
    const turned = new Set<SiteName>();
    const found = names.flatMap((name) => {
      const mutate = withoutSite(name, () => turned.add(name));
      const result = search('v4-ops', RUNS_FEW, mutate);
      return result.found === null ? [] : [`${name}: ${result.found}`];
    });
    expect(found).toEqual([]);
    expect([...turned]).toEqual(names);
  });

  test('the other sites never say no in the search', () => {
    const turned = new Set<SiteName>();
    const names = SITES.filter((name) => NEVER_REFUSED[name] !== undefined);
    const cuts = names.map((name) => withoutSite(name, () => void turned.add(name)));
    const { found } = search('v4-ops', RUNS_FEW, (machine) => {
      for (const cut of cuts) cut(machine);
    });
    expect([found, [...turned]]).toEqual([null, []]);
  });
});
