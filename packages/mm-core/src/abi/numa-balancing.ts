/** Modes of NUMA balancing (include/linux/sched/sysctl.h): bits of kernel.numa_balancing. */
export const NUMA_BALANCING_DISABLED = 0;
export const NUMA_BALANCING_NORMAL = 1;
export const NUMA_BALANCING_MEMORY_TIERING = 2;
