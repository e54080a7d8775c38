import {
  HOOKS,
  type HookName,
  SITE_FACTS,
  type SiteCount,
  type SiteFact,
  type SiteName,
  type SiteService,
} from '@mm-lab/mm-core';
import {
  type OneSided,
  RFC_DISTINCT,
  RFC_ENTRIES,
  RFC_FUNCTIONS,
  RFC_UNCOUNTED,
  RFC_WITHOUT_SITE,
} from './rfc-functions.js';

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
  /** What the RFC changes and has no site here, and what has one and is not in the RFC's count. */
  readonly withoutSite: readonly OneSided[];
  readonly uncounted: readonly OneSided[];
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
    withoutSite: RFC_WITHOUT_SITE,
    uncounted: RFC_UNCOUNTED,
    hooks: Object.values(HOOKS),
  };
}

/**
 * Distinct functions of the RFC's patches whose sites said "special" at least once.
 * @param sites what a machine counted
 * @param service only those of this service; default all
 */
export function functionsThatSaidSpecial(sites: readonly SiteCount[], service?: string): number {
  const spoke = sites.filter(({ managed }) => managed > 0);
  return functionsOfRfc(spoke.filter((site) => service === undefined || site.service === service));
}

function serviceOf(service: string, rfc: number, all: readonly MappedSite[]): MappedService {
  const sites = all.filter((site) => site.service === service);
  return { service, rfc, functions: functionsOfRfc(sites), sites };
}

function functionsOfRfc(sites: readonly SiteFact[]): number {
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
