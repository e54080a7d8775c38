import { VM_UFFD_MINOR, VM_UFFD_WP } from '../abi/mman.js';
import { PTE_PRESENT, PTE_UFFD_WP, PTE_WRITE } from '../abi/pte.js';
import {
  UFFD_EVENT_PAGEFAULT,
  UFFD_PAGEFAULT_FLAG_MINOR,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
} from '../abi/userfaultfd.js';
import { VM_FAULT_MAJOR, VM_FAULT_RETRY, VM_FAULT_SIGBUS } from '../abi/vm-fault.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { VmFault } from '../hooks/vm-fault.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { isUffdWpMarker, type UffdMsg, type UffdReader } from '../mem/userfaultfd.js';
import { type Work, WorkToken } from './work.js';

/** Events that a faulting task sleeps through before it is taken to sleep for ever. */
const WAITS_MAX = 100_000;

/**
 * Makes readers of userfaultfds (mm/userfaultfd.c:handle_userfault, userfaultfd_ctx_read).
 *
 * Simplified: a reader acts at once, while the faulting task waits, or later by an event of its
 * own; the task looks at its entry after each event, so UFFDIO_WAKE and the modes DONTWAKE change
 * nothing; a fault that nobody will ever resolve is SIGBUS where the kernel's task would sleep on;
 * while an event is read the ioctls do not answer EAGAIN (mmap_changing).
 */
@injectable()
export class UffdReaders {
  constructor(
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(ClockToken) private readonly clock: Clock,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** @param onMessage what the reader does with each message, as the task that it makes current */
  create(onMessage: (msg: UffdMsg) => void): UffdReader {
    const event = (msg: UffdMsg): void => this.work.waitFor(() => onMessage(msg));
    return { event, fault: (vmf, reason) => this.fault(vmf, reason, event) };
  }

  /** A fault that had to wait counts as a major one (FAULT_FLAG_TRIED). */
  private fault(vmf: VmFault, reason: number, send: (msg: UffdMsg) => void): number {
    send({ event: UFFD_EVENT_PAGEFAULT, flags: flagsOf(vmf, reason), vpn: vmf.vpn });
    for (let waits = 0; waits < WAITS_MAX; waits++) {
      if (this.allows(vmf)) return VM_FAULT_MAJOR;
      if (!this.mustWait(vmf.slot, reason)) return VM_FAULT_RETRY;
      const { clock } = this;
      const at = clock.deadline();
      if (clock.inEvent() || at === Number.POSITIVE_INFINITY) return VM_FAULT_SIGBUS;
      clock.advance(at - clock.now);
    }
    return VM_FAULT_SIGBUS;
  }

  private allows({ slot, write }: VmFault): boolean {
    const need = write ? PTE_PRESENT | PTE_WRITE : PTE_PRESENT;
    return (this.ptes.bits[slot]! & need) === need;
  }

  /** userfaultfd_must_wait. */
  private mustWait(slot: number, reason: number): boolean {
    const bits = this.ptes.bits[slot]!;
    if ((reason & VM_UFFD_WP) !== 0) return (bits & PTE_UFFD_WP) !== 0;
    return bits === 0 || isUffdWpMarker(bits, this.ptes.value[slot]!);
  }
}
export const UffdReadersToken = createToken<UffdReaders>('UffdReaders');

function flagsOf({ write }: VmFault, reason: number): number {
  return (
    (write ? UFFD_PAGEFAULT_FLAG_WRITE : 0) |
    ((reason & VM_UFFD_WP) !== 0 ? UFFD_PAGEFAULT_FLAG_WP : 0) |
    ((reason & VM_UFFD_MINOR) !== 0 ? UFFD_PAGEFAULT_FLAG_MINOR : 0)
  );
}
