import type { Constructor, Services } from '../base/di.js';
import { createToken } from '../base/di.js';
import { BuddyFiles } from '../sys/buddy-files.js';
import { CgroupFiles } from '../sys/cgroup-files.js';
import { ClearRefsFile } from '../sys/clear-refs-file.js';
import { CompactionFiles } from '../sys/compaction-files.js';
import { CpusetFiles } from '../sys/cpuset-files.js';
import { HugetlbFiles } from '../sys/hugetlb-files.js';
import { InterleaveWeightFiles } from '../sys/interleave-weight-files.js';
import { KsmFiles } from '../sys/ksm-files.js';
import { LruGenFiles } from '../sys/lru-gen-files.js';
import { MemcgFiles } from '../sys/memcg-files.js';
import { MemoryFailureFiles } from '../sys/memory-failure-files.js';
import { MemoryFiles } from '../sys/memory-files.js';
import { NodeFiles } from '../sys/node-files.js';
import { NodeStatFiles } from '../sys/node-stat-files.js';
import { NumaBalancingFiles } from '../sys/numa-balancing-files.js';
import { type PseudoFileSource, PseudoFiles, PseudoFilesToken } from '../sys/pseudo-files.js';
import { ReclaimFiles } from '../sys/reclaim-files.js';
import { TaintedFile } from '../sys/tainted-file.js';
import { ThpFiles } from '../sys/thp-files.js';
import { VmSysctlFiles } from '../sys/vm-sysctl-files.js';
import { ZswapFiles } from '../sys/zswap-files.js';

/** Everybody who has files; a class with `addTo` and what it needs in its constructor. */
const SOURCES: readonly Constructor<PseudoFileSource>[] = [
  ThpFiles,
  VmSysctlFiles,
  NodeFiles,
  NodeStatFiles,
  BuddyFiles,
  CgroupFiles,
  CpusetFiles,
  MemcgFiles,
  ReclaimFiles,
  LruGenFiles,
  InterleaveWeightFiles,
  MemoryFailureFiles,
  CompactionFiles,
  MemoryFiles,
  ClearRefsFile,
  NumaBalancingFiles,
  HugetlbFiles,
  KsmFiles,
  TaintedFile,
  ZswapFiles,
];

/** Makes the files of a machine whose services are bound. */
export function createPseudoFiles(services: Services): PseudoFiles {
  const files = new PseudoFiles();
  services.bindValue(PseudoFilesToken, files);
  for (const source of SOURCES) {
    const token = createToken<PseudoFileSource>(source.name);
    services.bind(token, source);
    services.get(token).addTo(files);
  }
  return files;
}
