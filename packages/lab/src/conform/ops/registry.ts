import { mlockallOp, mremapOp, munlockallOp, processMadviseOp } from './address-space-ops.js';
import { cgAttachOp, cgCreateOp, cgReadOp, cgWriteOp } from './cgroup-ops.js';
import { sysReadOp, sysWriteOp } from './file-ops.js';
import { fillNodeOp } from './fill-node-op.js';
import { hmmOp } from './hmm-op.js';
import { mmapOp } from './mmap-op.js';
import { movePagesOp } from './move-pages-op.js';
import type { Op } from './op.js';
import { pinOp } from './pin-op.js';
import {
  getMempolicyOp,
  homeNodeOp,
  mbindOp,
  migratePagesOp,
  setMempolicyOp,
} from './policy-ops.js';
import {
  dropCapsOp,
  pinCpuOp,
  prctlThpDisableOp,
  procWriteOp,
  readFileOp,
  rlimitOp,
} from './process-ops.js';
import {
  madviseOp,
  mincoreOp,
  mlockOp,
  mprotectOp,
  msyncOp,
  munlockOp,
  munmapOp,
} from './range-ops.js';
import { dropCachesOp, settleOp } from './settle-ops.js';
import { swapinfoOp, swapoffOp, swaponOp } from './swap-ops.js';
import { exitOp, forkOp, killOp, sleepOp, taskOp, waitOp } from './task-ops.js';
import { touchOp } from './touch-op.js';
import { uffdOp } from './uffd-op.js';
import { blockStateOp, memoryBlocksOp } from './views/memory-block-ops.js';
import { nodeBeginOp, nodeStatOp } from './views/node-ops.js';
import { numaMapsOp } from './views/numa-maps-op.js';
import { pagemapOp } from './views/pagemap-op.js';
import { smapsOp } from './views/smaps-op.js';
import { statusOp } from './views/status-op.js';
import { tiersOp } from './views/tiers-op.js';
import { whereOp } from './views/where-op.js';
import { buddyinfoOp, zoneinfoOp } from './views/zone-ops.js';
import { vmstatBeginOp, vmstatEndOp } from './vmstat-ops.js';

/** Every op by the name it has in a case. */
export const OPS: Readonly<Record<string, Op>> = {
  alive: waitOp,
  block_state: blockStateOp,
  buddyinfo: buddyinfoOp,
  cg_attach: cgAttachOp,
  cg_create: cgCreateOp,
  cg_read: cgReadOp,
  cg_write: cgWriteOp,
  drop_caches: dropCachesOp,
  drop_caps: dropCapsOp,
  exit: exitOp,
  fill_node: fillNodeOp,
  fork: forkOp,
  get_mempolicy: getMempolicyOp,
  hmm: hmmOp,
  home_node: homeNodeOp,
  kill: killOp,
  longterm_pin: pinOp,
  madvise: madviseOp,
  mbind: mbindOp,
  memory_blocks: memoryBlocksOp,
  migrate_pages: migratePagesOp,
  mincore: mincoreOp,
  mlock: mlockOp,
  mlockall: mlockallOp,
  mmap: mmapOp,
  move_pages: movePagesOp,
  mprotect: mprotectOp,
  mremap: mremapOp,
  msync: msyncOp,
  munlock: munlockOp,
  munlockall: munlockallOp,
  munmap: munmapOp,
  node_begin: nodeBeginOp,
  node_stat: nodeStatOp,
  numa_maps: numaMapsOp,
  pagemap: pagemapOp,
  pin_cpu: pinCpuOp,
  process_madvise: processMadviseOp,
  prctl_thp_disable: prctlThpDisableOp,
  read_file: readFileOp,
  proc_write: procWriteOp,
  rlimit: rlimitOp,
  set_mempolicy: setMempolicyOp,
  settle: settleOp,
  sleep: sleepOp,
  sys_read: sysReadOp,
  smaps: smapsOp,
  status: statusOp,
  swapinfo: swapinfoOp,
  swapoff: swapoffOp,
  swapon: swaponOp,
  sys_write: sysWriteOp,
  task: taskOp,
  tiers: tiersOp,
  touch: touchOp,
  uffd: uffdOp,
  vmstat_begin: vmstatBeginOp,
  vmstat_end: vmstatEndOp,
  wait: waitOp,
  where: whereOp,
  zoneinfo: zoneinfoOp,
};
