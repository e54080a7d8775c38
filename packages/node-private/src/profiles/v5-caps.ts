import { HOOKS, type HookOps, MmError } from '@mm-lab/mm-core';
import { grantsOfCaps } from '../caps.js';
import type { NodePrivateInfo, NodePrivateOps } from '../node-private.js';
import type { Profile } from './profile.js';

/**
 * Version 5 (2026-07-20): capabilities that registration names once, no callbacks. Folios come in
 * by mm's own migration, with requests that choose the private zonelist.
 */
export class V5Caps implements Profile {
  readonly entry = 'ordinary';

  registered(np: NodePrivateInfo): number {
    return grantsOfCaps(np.caps ?? 0);
  }

  check(ops: NodePrivateOps, _current: NodePrivateOps | null, name: string): number {
    const brought = Object.values(HOOKS).filter((hook) => ops[hook.name] !== undefined);
    const detail = brought.length === 0 ? 'flags' : brought.map((hook) => hook.name).join(', ');
    throw new MmError('PROFILE_WITHOUT_CALLBACKS', { plugin: name, detail });
  }

  grants(_ops: NodePrivateOps): number {
    return 0;
  }

  callbacks(_ops: NodePrivateOps): Partial<HookOps> {
    return {};
  }

  mistakes(_ops: NodePrivateOps): readonly string[] {
    return [];
  }
}
