import {
  HOOKS,
  type HookName,
  SITE_FACTS,
  type SiteFact,
  type SiteName,
  type SiteService,
} from '@mm-lab/mm-core';

/**
 * Existing functions that patches 02 to 22 of the RFC change, by group: what our own count of sites
 * stands beside. `get_page_from_freelist` and `try_to_compact_pages` are in two groups each, so the
 * entries are two more than the functions.
 */
export const RFC_FUNCTIONS: Readonly<Record<string, number>> = {
  'allocation gate': 6,
  zonelist: 1,
  cpuset: 3,
  'skip sites': 8,
  free: 2,
  split: 1,
  migration: 9,
  mempolicy: 8,
  demotion: 5,
  'write protect and fault': 7,
  reclaim: 4,
  OOM: 2,
  'NUMA balancing': 1,
  compaction: 3,
  'long-term pin': 1,
  'memory failure': 2,
  hotplug: 3,
};

/** Entries of `RFC_FUNCTIONS` in all, and distinct functions among them. */
export const RFC_ENTRIES = 66;
export const RFC_DISTINCT = 64;

/** A place that asks whether a folio or node is special. */
export interface MappedSite extends SiteFact {
  readonly name: SiteName;
}

/** The sites of one service beside the RFC's functions. */
export interface MappedService {
  readonly service: string;
  /** Functions that the RFC changes there. */
  readonly rfc: number;
  /** Distinct kernel functions that sites of the RFC's patches stand for. */
  readonly functions: number;
  readonly sites: readonly MappedSite[];
}

/** What `mm-lab hooks` shows. */
export interface HookMap {
  readonly services: readonly MappedService[];
  readonly siteCount: number;
  /** Sites that no patch of the RFC made: those of ZONE_DEVICE, and those that only mends use. */
  readonly otherSites: number;
  /** Distinct kernel functions that the sites of the RFC's patches stand for. */
  readonly functionCount: number;
  readonly rfcEntries: number;
  readonly rfcFunctions: number;
  readonly hooks: (typeof HOOKS)[HookName][];
}

/** Sites by service in the RFC's order; services that we don't model have none. */
export function hookMap(): HookMap {
  const sites = allSites();
  const services = Object.entries(RFC_FUNCTIONS).map(([name, rfc]) => serviceOf(name, rfc, sites));
  const unlisted = [...new Set(sites.map(({ service }) => service))].filter(isUnlisted);
  for (const name of unlisted) services.push(serviceOf(name, 0, sites));
  return {
    services,
    siteCount: sites.length,
    otherSites: sites.filter(({ patch }) => patch === 0).length,
    functionCount: functionsOfRfc(sites),
    rfcEntries: RFC_ENTRIES,
    rfcFunctions: RFC_DISTINCT,
    hooks: Object.values(HOOKS),
  };
}

function serviceOf(service: string, rfc: number, all: readonly MappedSite[]): MappedService {
  const sites = all.filter((site) => site.service === service);
  return { service, rfc, functions: functionsOfRfc(sites), sites };
}

function functionsOfRfc(sites: readonly MappedSite[]): number {
  return new Set(sites.filter(({ patch }) => patch > 0).map(({ kernel }) => kernel)).size;
}

function allSites(): readonly MappedSite[] {
  return Object.keys(SITE_FACTS)
    .filter(isSiteName)
    .map((name) => ({ name, ...SITE_FACTS[name] }));
}

function isSiteName(name: string): name is SiteName {
  return Object.hasOwn(SITE_FACTS, name);
}

function isUnlisted(service: SiteService): boolean {
  return !Object.hasOwn(RFC_FUNCTIONS, service);
}
