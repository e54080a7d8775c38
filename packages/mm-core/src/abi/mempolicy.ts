/** Memory policies as user space names them (include/uapi/linux/mempolicy.h). */
export const MPOL_DEFAULT = 0;
export const MPOL_PREFERRED = 1;
export const MPOL_BIND = 2;
export const MPOL_INTERLEAVE = 3;
export const MPOL_LOCAL = 4;
export const MPOL_PREFERRED_MANY = 5;
export const MPOL_WEIGHTED_INTERLEAVE = 6;
export const MPOL_MAX = 7;

/** Flags in the mode word. */
export const MPOL_F_STATIC_NODES = 1 << 15;
export const MPOL_F_RELATIVE_NODES = 1 << 14;
export const MPOL_F_NUMA_BALANCING = 1 << 13;
export const MPOL_MODE_FLAGS = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | MPOL_F_NUMA_BALANCING;
/** Flags of a policy that user space never sees: migrate on fault, to the referencing node. */
export const MPOL_F_MOF = 1 << 3;
export const MPOL_F_MORON = 1 << 4;
/** Of those: the policy names private nodes that let it (RFC v4 patch 13). */
export const MPOL_F_PRIVATE = 1 << 5;

/** Flags of get_mempolicy. */
export const MPOL_F_NODE = 1 << 0;
export const MPOL_F_ADDR = 1 << 1;
export const MPOL_F_MEMS_ALLOWED = 1 << 2;

/** Flags of mbind; move_pages takes the last two. */
export const MPOL_MF_STRICT = 1 << 0;
export const MPOL_MF_MOVE = 1 << 1;
export const MPOL_MF_MOVE_ALL = 1 << 2;
export const MPOL_MF_VALID = MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL;

/** Names of the modes in numa_maps, by number (mm/mempolicy.c:policy_modes). */
export const MPOL_MODE_NAMES = [
  'default',
  'prefer',
  'bind',
  'interleave',
  'local',
  'prefer (many)',
  'weighted interleave',
] as const;

/** Bits of a node mask in distribution kernels (CONFIG_NODES_SHIFT 10). */
export const NODEMASK_BITS = 1024;

/** No particular node (include/linux/numa.h). */
export const NUMA_NO_NODE = -1;
