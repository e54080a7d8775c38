import { errnoName } from '../abi/errno.js';

/**
 * The error catalogue: everything that misuse at the edge can be told. `docs/errors.md` is
 * generated from it. Inside the mm nothing of this is thrown: there a failure is `-errno`.
 */
export const ERRORS = {
  MACHINE_NO_MEMORY: {
    what: 'the machine has no memory',
    hint: 'give at least one node with `pages` above 0 that is online from the start',
  },
  MACHINE_NO_CPU: {
    what: 'the machine has no CPU',
    hint: 'give at least one node `cpus` of 1 or more',
  },
  MACHINE_DUPLICATE_NODE: {
    what: 'two nodes have the same id',
    hint: 'number the nodes 0, 1, 2 … without repeats',
  },
  MACHINE_BAD_NODE: {
    what: 'a node cannot exist as described',
    hint: 'node ids are 0..63, sizes are whole pages, latencies are above 0',
  },
  MACHINE_BAD_DISTANCES: {
    what: 'the distance matrix is impossible',
    hint: 'give one row per node, one number per node in it: 10 on the diagonal, more elsewhere',
  },
  MACHINE_BAD_OPTION: {
    what: 'a machine option is out of range',
    hint: 'see MachineConfig for the range of each option',
  },
  KERNEL_PANIC: {
    what: 'the kernel stopped the machine',
    hint: 'set vm.panic_on_oom to 0 to let the OOM killer end a task instead',
  },
  SERVICE_UNBOUND: {
    what: 'a service that a plugin needs is not bound',
    hint: 'add the plugin that binds it to the array, before the one that needs it',
  },
  PLUGIN_DUPLICATE: {
    what: 'a plugin stands twice in the array',
    hint: 'give the second one another `name`, or remove it',
  },
  PLUGIN_THREW: {
    what: 'a plugin threw',
    hint: 'this is a bug of the plugin: hooks answer -errno, they do not throw',
  },
  OWNER_LIMIT: {
    what: 'too many owners of memory',
    hint: 'the owner byte holds 255 owners: use fewer private nodes and page maps',
  },
  ENTRY_TYPE_LIMIT: {
    what: 'too many plugin entry types',
    hint: 'page-table entries have room for 8 plugin types',
  },
  OPS_REFUSED: {
    what: 'the node refused the operations',
    hint: 'see the flag table: each NP_OPS_* flag names the callbacks and flags it needs',
  },
  PROFILE_WITHOUT_CALLBACKS: {
    what: 'the driver brings what this generation of private nodes has not',
    hint: 'name capabilities at registration instead, or choose a profile with callbacks',
  },
  NODE_REFUSED: {
    what: 'the node could not be registered, brought online or removed',
    hint: 'register a possible node that is not N_MEMORY and nobody else’s; empty it to remove it',
  },
  SLEPT_IN_ATOMIC: {
    what: 'a callback slept where it may not',
    hint: 'see "Holding" of the hook: release the lock first, or do the work elsewhere',
  },
  PTL_HELD: {
    what: 'a callback returned with the page-table lock held',
    hint: 'call vmf.unlock() on every path',
  },
  PLUGIN_ANSWER: {
    what: 'a callback answered what no caller can use',
    hint: 'see "Returns" of the hook',
  },
  FOLIOS_LOST: {
    what: 'a callback took folios out of its list that neither moved nor were put back',
    hint: 'leave what did not move in the list and answer how many, or migrate.hold() it',
  },
  OPS_MALFORMED: {
    what: 'what the service brings is not what mm takes',
    hint: 'flags is a sum of bits, and docs/hooks.md has the callbacks',
  },
  CAPS_MALFORMED: {
    what: 'the capabilities of the node are no sum of bits',
    hint: 'give caps a sum of NODE_PRIVATE_CAP_* bits, or leave it out for none',
  },
  NODE_BUSY: {
    what: 'a node was unregistered from inside a callback of its own',
    hint: 'return from migrate_to first: unregistering waits until no callback is under way',
  },
  DEVICE_BAD_OPTION: {
    what: 'a device option is out of range',
    hint: 'see the options of the device for the range of each',
  },
  WORKLOAD_BAD_OPTION: {
    what: 'a workload option is out of range',
    hint: 'see the options of the workload for the range of each',
  },
  TASK_KILLED: {
    what: 'the task was killed',
    hint: 'give the machine more memory or a swap backend; `stats()` says how many pages it had',
  },
  ACCESS_LIVELOCK: {
    what: 'an access faulted again and again without progress',
    hint: 'a fault handler answers 0 or VM_FAULT_RETRY but leaves the entry as it was',
  },
} as const;

/** Code of an error in the catalogue. */
export type ErrorCode = keyof typeof ERRORS;

/** Whom and what an error is about. */
export interface ErrorDetails {
  /** What exactly: the value given, the limit broken. */
  readonly detail?: string;
  /** The plugin concerned. */
  readonly plugin?: string;
  /** The hook concerned. */
  readonly hook?: string;
  /** The kernel's error number, positive. */
  readonly errno?: number;
  readonly cause?: unknown;
}

/** A user's or a driver's mistake: one clear line that says what to do. */
export class MmError extends Error {
  override readonly name = 'MmError';
  readonly hint: string;
  readonly plugin: string | undefined;
  readonly hook: string | undefined;
  readonly errno: number | undefined;

  constructor(
    readonly code: ErrorCode,
    details: ErrorDetails = {},
  ) {
    const entry = ERRORS[code];
    const whom = details.plugin === undefined ? '' : `${details.plugin}: `;
    const where = details.hook === undefined ? '' : ` in ${details.hook}`;
    const number = details.errno === undefined ? '' : ` (-${errnoName(details.errno)})`;
    const detail = details.detail === undefined ? '' : `: ${details.detail}`;
    super(`${whom}${entry.what}${where}${number}${detail}. ${sentence(entry.hint)}`, {
      cause: details.cause,
    });
    this.hint = entry.hint;
    this.plugin = details.plugin;
    this.hook = details.hook;
    this.errno = details.errno;
  }
}

function sentence(hint: string): string {
  return `${hint.charAt(0).toUpperCase()}${hint.slice(1)}.`;
}
