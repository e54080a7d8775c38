import { ENODEV } from '../abi/errno.js';
import type { HookName, HookOps } from './contracts.js';

/** How a hook relates to the decision at hand. */
export type HookKind = 'decide' | 'act' | 'notify' | 'configure';

/** Run-time facts of a hook, kept beside its contract. */
export interface HookFact {
  readonly name: HookName;
  readonly kind: HookKind;
  /** What happens when the owner has no such callback, in words. */
  readonly absent: string;
  /** Patch of RFC v4 that adds it. */
  readonly patch: number;
  /** The calling context the header of the RFC puts it in. */
  readonly context: 'folio-referenced' | 'refcounted' | 'non-folio';
}

/** One row per hook; the compiler refuses a hook without one. */
export const HOOKS: { readonly [Name in HookName]: HookFact & { readonly name: Name } } = {
  free_folio: {
    name: 'free_folio',
    kind: 'decide',
    absent: 'the ordinary free',
    patch: 10,
    context: 'folio-referenced',
  },
  folio_split: {
    name: 'folio_split',
    kind: 'notify',
    absent: 'nothing',
    patch: 11,
    context: 'folio-referenced',
  },
  migrate_to: {
    name: 'migrate_to',
    kind: 'act',
    absent: '-ENODEV',
    patch: 12,
    context: 'refcounted',
  },
  folio_migrate: {
    name: 'folio_migrate',
    kind: 'notify',
    absent: 'nothing',
    patch: 12,
    context: 'folio-referenced',
  },
  handle_fault: {
    name: 'handle_fault',
    kind: 'act',
    absent: 'ordinary fault handling',
    patch: 15,
    context: 'folio-referenced',
  },
  reclaim_policy: {
    name: 'reclaim_policy',
    kind: 'configure',
    absent: 'ordinary boost rules',
    patch: 16,
    context: 'non-folio',
  },
  memory_failure: {
    name: 'memory_failure',
    kind: 'notify',
    absent: 'nothing',
    patch: 21,
    context: 'folio-referenced',
  },
};

/** The answers of an owner that has no callback. */
export const ABSENT_OPS: HookOps = {
  free_folio: () => false,
  folio_split: () => undefined,
  migrate_to: () => -ENODEV,
  folio_migrate: () => undefined,
  handle_fault: (_folio, vmf) => {
    vmf.unlock();
    return 0;
  },
  reclaim_policy: () => undefined,
  memory_failure: () => undefined,
};
