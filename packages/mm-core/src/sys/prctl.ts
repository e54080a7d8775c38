import { EINVAL } from '../abi/errno.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Ksm, KsmToken } from '../mm/ksm.js';

export const PR_SET_THP_DISABLE = 41;
export const PR_GET_THP_DISABLE = 42;
export const PR_SET_MEMORY_MERGE = 67;
export const PR_GET_MEMORY_MERGE = 68;

/** PR_SET_THP_DISABLE: areas that ask for huge pages by madvise still get them. */
export const PR_THP_DISABLE_EXCEPT_ADVISED = 1 << 1;

/** Arguments behind the option; those that are missing are 0. */
type Args = readonly number[];

/** prctl(2) as far as memory goes (kernel/sys.c:SYSCALL_DEFINE5(prctl)). */
@injectable()
export class SysPrctl {
  constructor(@inject(KsmToken) private readonly ksm: Ksm) {}

  /** @returns what the option says, or -EINVAL */
  prctl(task: TaskStruct, option: number, args: Args): number {
    switch (option) {
      case PR_SET_THP_DISABLE:
        return setThpDisable(task, args);
      case PR_GET_THP_DISABLE:
        return isAnySet(args, 0) ? -EINVAL : thpDisable(task);
      case PR_SET_MEMORY_MERGE:
        if (isAnySet(args, 1)) return -EINVAL;
        return this.ksm.setMergeAny(task.mm, (args[0] ?? 0) !== 0);
      case PR_GET_MEMORY_MERGE:
        if (isAnySet(args, 0)) return -EINVAL;
        return task.mm.ksmMergeAny ? 1 : 0;
      default:
        return -EINVAL;
    }
  }
}
export const SysPrctlToken = createToken<SysPrctl>('SysPrctl');

/** prctl_set_thp_disable: flags only when it disables. */
function setThpDisable({ mm }: TaskStruct, args: Args): number {
  const disable = (args[0] ?? 0) !== 0;
  const flags = args[1] ?? 0;
  if (isAnySet(args, 2) || (flags !== 0 && !disable)) return -EINVAL;
  if (flags !== 0 && flags !== PR_THP_DISABLE_EXCEPT_ADVISED) return -EINVAL;
  if (!disable) mm.thpDisabled = null;
  else mm.thpDisabled = flags === 0 ? 'completely' : 'except-advised';
  return 0;
}

function thpDisable({ mm }: TaskStruct): number {
  if (mm.thpDisabled === null) return 0;
  return mm.thpDisabled === 'completely' ? 1 : 1 | PR_THP_DISABLE_EXCEPT_ADVISED;
}

/** Is an argument from `first` on not 0? */
function isAnySet(args: Args, first: number): boolean {
  return args.slice(first).some((arg) => arg !== 0);
}
