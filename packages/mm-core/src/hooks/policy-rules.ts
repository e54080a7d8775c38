/** What policies do with nodes that are set apart, beyond naming them. */
export interface PolicyRules {
  /**
   * Requests that cannot ask, such as page tables and the page cache: does a policy that names
   * nodes set apart bind them (so that they fail), or do its ordinary nodes alone count?
   */
  readonly unasked: 'bound' | 'ordinary';
  /** Do pages of shared memory ask? */
  readonly shmem: 'unasked' | 'asks';
  /** When must the owner of a node let policies name it? */
  readonly granted: 'when set' | 'each time';
  /** How mbind moves folios to a node set apart: by policy, or as the owner's `entry` says? */
  readonly moves: 'by policy' | 'by entry';
  /** A request by policy that finds no page: does it reclaim and kill, or go to ordinary memory? */
  readonly unsatisfied: 'fails' | 'falls back';
}

/** What the posted code of RFC v4 does. */
export const POLICY_RULES: PolicyRules = {
  unasked: 'bound',
  shmem: 'unasked',
  granted: 'when set',
  moves: 'by policy',
  unsatisfied: 'fails',
};
