/** Flags of memory_failure (include/linux/mm.h:enum mf_flags). */
export const MF_COUNT_INCREASED = 1 << 0;
/** The running task used the poison: it is the one to be signalled. */
export const MF_ACTION_REQUIRED = 1 << 1;
export const MF_MUST_KILL = 1 << 2;
export const MF_SOFT_OFFLINE = 1 << 3;
export const MF_UNPOISON = 1 << 4;
/** Injected, not found by the hardware. */
export const MF_SW_SIMULATED = 1 << 5;

/** What became of a poisoned page, as counted in sysfs (mm/memory-failure.c:enum mf_result). */
export type MfResult = 'ignored' | 'failed' | 'delayed' | 'recovered';
export const MF_RESULTS: readonly MfResult[] = ['ignored', 'failed', 'delayed', 'recovered'];
