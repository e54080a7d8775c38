/** Why a signal came (include/uapi/asm-generic/siginfo.h), by the kernel's names. */
export type SignalCode = 'MAPERR' | 'ACCERR' | 'PKUERR' | 'ADRERR' | 'MCEERR_AR' | 'MCEERR_AO';

/** What a task learns of a fault that ended in a signal (siginfo_t). */
export interface SignalInfo {
  readonly signal: 'SIGSEGV' | 'SIGBUS';
  readonly code: SignalCode;
  /** log2 of the bytes that are poisoned (si_addr_lsb); 0 for other signals. */
  readonly lsb: number;
}
