import { IsolationToken, ManagedToken, type Plugin } from '@mm-lab/mm-core';
import { Callbacks, CallbacksToken } from './callbacks.js';
import { type BuildOption, type GateName, NodePrivateConfig, type ProfileName } from './config.js';
import { type DivergenceChoice, readDivergences } from './divergences.js';
import { Interrupts, InterruptsToken } from './interrupts.js';
import { GATES } from './isolation/gates.js';
import { type Mends, policyRules, specialRules } from './mends.js';
import { NodePrivate, NodePrivateToken } from './node-private.js';
import { checkOptions } from './option-words.js';
import { PrivateHotplug, PrivateHotplugToken } from './private-hotplug.js';
import { ProfileToken } from './profiles/profile.js';
import { V4Ops } from './profiles/v4-ops.js';
import { V5Caps } from './profiles/v5-caps.js';

/** The generation of the design, its readings, and where the posted series can be mended. */
export interface NodePrivateOptions extends Mends {
  /**
   * Generation of the design; default `v4-ops`, the RFC of 2026-02-22. `v5-caps`: capabilities at
   * registration, no callbacks, a private zonelist (2026-07-20).
   */
  readonly profile?: ProfileName;
  /** Where text and code of RFC v4 differ: which counts, by name or number; default the code. */
  readonly divergences?: DivergenceChoice;
  /** What keeps allocations away that did not ask; default that of profile or `policyReach`. */
  readonly gate?: GateName;
  /**
   * Can the kernel add memory while it runs (CONFIG_MEMORY_HOTPLUG)? Default yes; without it there
   * are no private nodes, and whoever registers one is told -ENODEV.
   */
  readonly hotplug?: BuildOption;
  /** Can the kernel take memory away again (CONFIG_MEMORY_HOTREMOVE)? Default yes. */
  readonly hotRemove?: BuildOption;
}

const PROFILES = { 'v4-ops': V4Ops, 'v5-caps': V5Caps } as const;
const PROFILE_GATES = { 'v4-ops': 'gfp-private', 'v5-caps': 'private-zonelist' } as const;

/**
 * Plugin: N_MEMORY_PRIVATE. Binds the registration and hotplug services; a driver plugin then
 * claims a node. @throws MmError DEVICE_BAD_OPTION
 */
export function nodePrivate(options: NodePrivateOptions = {}): Plugin {
  checkOptions(options);
  const profile = options.profile ?? 'v4-ops';
  const isReachMended = options.policyReach === 'mended';
  const gate = options.gate ?? (isReachMended ? 'private-zonelist' : PROFILE_GATES[profile]);
  const config: NodePrivateConfig = {
    profile,
    gate,
    divergences: readDivergences(options.divergences),
    policy: policyRules(profile, options),
    teardown: options.teardown ?? 'v4',
    obligations: options.obligations ?? 'v4',
    lateClear: options.lateClear ?? 'v4',
    hotplug: options.hotplug ?? 'built in',
    hotRemove: options.hotRemove ?? 'built in',
  };
  return {
    name: 'node-private',
    register(services) {
      services.bindValue(NodePrivateConfig, config);
      services.bind(InterruptsToken, Interrupts);
      services.bind(IsolationToken, GATES[gate]);
      services.bind(CallbacksToken, Callbacks);
      services.bind(ProfileToken, PROFILES[profile]);
      services.bind(NodePrivateToken, NodePrivate);
      services.bind(PrivateHotplugToken, PrivateHotplug);
    },
    probe(services) {
      const managed = services.get(ManagedToken);
      managed.rules = specialRules(options);
      services.get(NodePrivateToken).nodeDevInit();
    },
  };
}
