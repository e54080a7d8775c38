import { __GFP_THISNODE } from '../abi/gfp.js';
import { createToken } from '../base/di.js';
import { POLICY_RULES, type PolicyRules } from './policy-rules.js';

/** Lists of zones that a request may walk (struct pglist_data.node_zonelists). */
export type ZonelistName = 'fallback' | 'nofallback' | 'apart' | 'apartOnly';

/** Which lists hold a node that is set apart. Ordinary nodes stand in all that they always did. */
export interface ApartLists {
  /** Is the node first in its own FALLBACK list? */
  readonly ownFallback: boolean;
  /** Is the node its own NOFALLBACK list? */
  readonly ownNofallback: boolean;
  /** Has every node a third list, of ordinary nodes and those set apart together, and of itself? */
  readonly third: boolean;
}

/**
 * Who may allocate where: the gate of the allocator, the zonelists, and what cpusets and policies
 * may name. A plugin binds another; the core's own knows no memory that is set apart. Ordinary
 * nodes are never asked about.
 */
export interface Isolation {
  /** Name of the variant, for reports. */
  readonly name: string;
  /** Flags that a request for memory set apart carries; 0: there is no way to ask. */
  readonly asking: number;
  /** Of those the one that nothing else sets: it tells whether a request asked. */
  readonly mark: number;
  readonly lists: ApartLists;
  /** Do cpusets hold nodes set apart, to grant or withhold them? If not, they do not count. */
  readonly inCpusets: boolean;
  /** What a policy does with a node in its mask whose owner does not let policies name it. */
  readonly ungrantedInPolicy: 'refuse' | 'trim';
  readonly policy: PolicyRules;
  /** The list that a request with these flags walks. */
  zonelist(gfp: number): ZonelistName;
  /** The gate: may a request with these flags use node `nid`, which is set apart? */
  admits(nid: number, gfp: number): boolean;
  /** The page allocator begins a request. @returns does it say so when it ends (`leave`)? */
  enter(gfp: number): boolean;
  leave(): void;
}

/** No memory is set apart. */
export class NoIsolation implements Isolation {
  readonly name: string = 'none';
  readonly asking: number = 0;
  readonly mark: number = 0;
  readonly lists: ApartLists = { ownFallback: false, ownNofallback: true, third: false };
  readonly inCpusets: boolean = true;
  readonly ungrantedInPolicy: 'refuse' | 'trim' = 'refuse';
  readonly policy: PolicyRules = POLICY_RULES;

  zonelist(gfp: number): ZonelistName {
    return (gfp & __GFP_THISNODE) !== 0 ? 'nofallback' : 'fallback';
  }

  admits(_nid: number, _gfp: number): boolean {
    return true;
  }

  enter(_gfp: number): boolean {
    return false;
  }

  leave(): void {
    // nothing was entered
  }
}
export const IsolationToken = createToken<Isolation>('Isolation');
