import { createToken } from '../base/di.js';
import type { SiteFact } from './site-fact.js';
import { SITE_FACTS, type SiteName } from './site-facts.js';

/** How often a site asked, and how often the answer was that the folio or node is managed. */
export interface SiteCount extends SiteFact {
  readonly name: SiteName;
  readonly asked: number;
  readonly managed: number;
}

/**
 * Counters of the sites of one machine. A site's index is fixed, so that asking costs two
 * increments.
 */
export class Sites {
  static readonly names = Object.keys(SITE_FACTS) as readonly SiteName[];
  private readonly askedBySite = new Float64Array(Sites.names.length);
  private readonly managedBySite = new Float64Array(Sites.names.length);

  /** Index of a site: look it up once, in a constructor. */
  static index(name: SiteName): number {
    return Sites.names.indexOf(name);
  }

  /**
   * Counts one question of a site and passes the answer on. A plugin may bind a subclass that
   * answers no at some sites: that is mm without the hook.
   */
  count(site: number, managed: boolean): boolean {
    this.askedBySite[site]! += 1;
    if (managed) this.managedBySite[site]! += 1;
    return managed;
  }

  /** Facts and counts of every site, in the order of the registry. */
  report(): readonly SiteCount[] {
    return Sites.names.map((name, at) => ({
      name,
      ...SITE_FACTS[name],
      asked: this.askedBySite[at] ?? 0,
      managed: this.managedBySite[at] ?? 0,
    }));
  }
}
export const SitesToken = createToken<Sites>('Sites');
