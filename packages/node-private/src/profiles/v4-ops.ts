import { EBUSY, GRANTS_APART, type HookOps, inject, injectable } from '@mm-lab/mm-core';
import { type Callbacks, CallbacksToken } from '../callbacks.js';
import { NodePrivateConfig } from '../config.js';
import type { NodePrivateOps } from '../node-private.js';
import { checkFlags, grantsOf, opsMistakes } from '../opt-ins.js';
import type { Profile } from './profile.js';

/** RFC v4: flags that oblige callbacks, set by `node_private_set_ops`. */
@injectable()
export class V4Ops implements Profile {
  readonly entry = 'callback';

  constructor(
    @inject(NodePrivateConfig) private readonly config: NodePrivateConfig,
    @inject(CallbacksToken) private readonly sealing: Callbacks,
  ) {}

  registered(): number {
    return GRANTS_APART;
  }

  /** The posted code overwrites ops; its message says -EBUSY (divergence D3). */
  check(ops: NodePrivateOps, current: NodePrivateOps | null): number {
    const rc = checkFlags(ops, this.config.obligations);
    if (rc < 0) return rc;
    const taken = current !== null && current !== ops;
    return taken && this.config.divergences.secondOps === 'text' ? -EBUSY : 0;
  }

  grants(ops: NodePrivateOps): number {
    return grantsOf(ops.flags, this.config.divergences);
  }

  callbacks(ops: NodePrivateOps): Partial<HookOps> {
    return this.sealing.of(ops);
  }

  mistakes(ops: NodePrivateOps): readonly string[] {
    return opsMistakes(ops);
  }
}
