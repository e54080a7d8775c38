import { expect, test } from 'vitest';
import { tourBackends } from '../../src/hooks/backend-tour.js';
import { functionsThatSaidSpecial, hookMap } from '../../src/hooks/hook-map.js';

test('each group has the functions of the RFC, but for those that are named with a reason', () => {
  const { services, withoutSite, uncounted, rfcEntries } = hookMap();
  const of = (service: string, list: typeof uncounted): number =>
    list.filter((one) => one.service === service).length;
  const entries = services.map(({ service, functions }) => {
    return functions + of(service, withoutSite) - of(service, uncounted);
  });
  expect(entries).toEqual(services.map(({ rfc }) => rfc));
  expect(entries.reduce((sum, count) => sum + count, 0)).toBe(rfcEntries);
});

test('what has no site has none, and what the RFC does not count has one', () => {
  const { services, withoutSite, uncounted } = hookMap();
  const kernel = new Set(services.flatMap(({ sites }) => sites.map((site) => site.kernel)));
  expect(withoutSite.filter((one) => kernel.has(one.kernel))).toEqual([]);
  expect(uncounted.filter((one) => !kernel.has(one.kernel))).toEqual([]);
});

test('without private memory nothing is special, and every backend reaches its callbacks', () => {
  const tours = tourBackends();
  const spoke = tours.map(({ backend, sites, hooks }) => {
    return [backend, functionsThatSaidSpecial(sites) > 0, [...hooks.keys()].sort().join(' ')];
  });
  expect(spoke).toMatchInlineSnapshot(`
    [
      [
        "none",
        false,
        "",
      ],
      [
        "no ops",
        true,
        "migrate_to",
      ],
      [
        "bind only",
        true,
        "folio_migrate migrate_to",
      ],
      [
        "CRAM",
        true,
        "folio_migrate free_folio handle_fault migrate_to",
      ],
      [
        "coherent",
        true,
        "folio_migrate free_folio",
      ],
      [
        "ZONE_DEVICE",
        true,
        "free_folio",
      ],
    ]
  `);
});
