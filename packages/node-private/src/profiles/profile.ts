import { createToken, type HookOps } from '@mm-lab/mm-core';
import type { NodePrivateInfo, NodePrivateOps } from '../node-private.js';

/**
 * One generation of the design: what a driver must say to get which services of mm, and which
 * callbacks it has. Who may allocate where is the `Isolation`'s.
 */
export interface Profile {
  /** Do folios come in through `migrate_to`, or by mm's own migration? */
  readonly entry: 'callback' | 'ordinary';
  /** GRANT_* bits that registration gives, or -EINVAL. */
  registered(np: NodePrivateInfo): number;
  /**
   * What `set_ops` says of the ops. @returns 0 or -errno
   * @throws MmError PROFILE_WITHOUT_CALLBACKS if this generation has no ops
   */
  check(ops: NodePrivateOps, current: NodePrivateOps | null, name: string): number;
  /** GRANT_* bits that the ops give. */
  grants(ops: NodePrivateOps): number;
  /** The callbacks that the core shall dispatch. */
  callbacks(ops: NodePrivateOps): Partial<HookOps>;
  /** Obligations not met, in words. */
  mistakes(ops: NodePrivateOps): readonly string[];
}
export const ProfileToken = createToken<Profile>('Profile');
