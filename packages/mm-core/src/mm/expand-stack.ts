import { VM_ACCESS_FLAGS, VM_GROWSDOWN } from '../abi/mman.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { clipVma, type MmStruct, type Vma } from '../mem/vma.js';
import { Sysctl } from './sysctl.js';
import { STACK_GUARD_GAP } from './unmapped-area.js';
import { limitPages, type VmLimits, VmLimitsToken } from './vm-limits.js';
import { type Work, WorkToken } from './work.js';

/** RLIMIT_STACK of who has none of their own. */
const STACK_BYTES = 8 << 20;

/** Stacks that grow down to where they are touched (mm/vma.c:expand_downwards). */
@injectable()
export class ExpandStack {
  constructor(
    @inject(VmLimitsToken) private readonly limits: VmLimits,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** The area that holds `vpn` now, or null if nothing above it may grow so far. */
  expand(mm: MmStruct, vpn: number): Vma | null {
    const at = mm.vmas.findIndex((vma) => vma.start > vpn);
    const above = mm.vmas[at];
    if (above === undefined || (above.flags & VM_GROWSDOWN) === 0) return null;
    if (vpn < limitPages(this.sysctl.mmap_min_addr) || isTooNear(mm.vmas[at - 1], vpn)) return null;
    if (!this.mayGrow(mm, above, vpn)) return null;
    mm.replace(vpn, above.start, [clipVma(above, vpn, above.start)]);
    return mm.find(vpn);
  }

  /** acct_stack_growth. */
  private mayGrow(mm: MmStruct, stack: Vma, vpn: number): boolean {
    const bytes = this.work.current?.rlimits.stack ?? STACK_BYTES;
    if ((stack.end - vpn) * PAGE_SIZE > bytes) return false;
    const more = stack.start - vpn;
    if (!this.limits.mayExpandVm(mm, stack.flags, more)) return false;
    return this.limits.mlockFutureOk(mm, stack.flags, more) && this.limits.enoughMemory(mm, more);
  }
}
export const ExpandStackToken = createToken<ExpandStack>('ExpandStack');

/** Would the gap below the stack become too small? Other stacks and PROT_NONE may be near. */
function isTooNear(below: Vma | undefined, vpn: number): boolean {
  if (below === undefined || (below.flags & VM_GROWSDOWN) !== 0) return false;
  return (below.flags & VM_ACCESS_FLAGS) !== 0 && vpn - below.end < STACK_GUARD_GAP;
}
