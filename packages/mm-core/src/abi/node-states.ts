/**
 * Node states (include/linux/nodemask.h); N_MEMORY and N_MEMORY_PRIVATE exclude each other (RFC v4
 * patch 01).
 */
export const N_POSSIBLE = 0;
export const N_ONLINE = 1;
export const N_MEMORY = 2;
export const N_CPU = 3;
export const N_MEMORY_PRIVATE = 4;
export const NR_NODE_STATES = 5;

export const NODE_STATE_NAMES = ['possible', 'online', 'memory', 'cpu', 'memory_private'] as const;
