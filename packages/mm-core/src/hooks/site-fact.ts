import type { HookName } from './contracts.js';

/** The services that sites belong to, as the RFC groups its patches. */
export type SiteService =
  | 'allocation gate'
  | 'zonelist'
  | 'free'
  | 'split'
  | 'migration'
  | 'mempolicy'
  | 'cpuset'
  | 'demotion'
  | 'write protect and fault'
  | 'reclaim'
  | 'NUMA balancing'
  | 'compaction'
  | 'OOM'
  | 'long-term pin'
  | 'memory failure'
  | 'hotplug'
  | 'skip sites';

/** A place in the core that asks "is this folio or node special?". */
export interface SiteFact {
  readonly service: SiteService;
  /** The predicate or hook it uses. */
  readonly asks: string;
  /** The hook it may end in. */
  readonly hook: HookName | null;
  /** The kernel function it stands for. */
  readonly kernel: string;
  /** Patch of RFC v4; 0: a site that v4 lacks and an option adds. */
  readonly patch: number;
}

/** A fact, as short as a line can be. */
export function site(
  service: SiteService,
  patch: number,
  kernel: string,
  asks: string,
  hook: HookName | null = null,
): SiteFact {
  return { service, patch, kernel, asks, hook };
}
