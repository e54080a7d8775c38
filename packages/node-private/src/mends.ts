import { POLICY_RULES, type PolicyRules, type SpecialRules } from '@mm-lab/mm-core';
import type { Mending, ProfileName } from './config.js';

/** Where the posted series misbehaves, each place as it is (`v4`, the default) or `mended`. */
export interface Mends {
  /**
   * Do frees made by reclaim call `free_folio`? `v4`: they do not (a kernel with the series swapped
   * 767 pages out of a node and called the hook for none), so what a swapped-out page held stays on
   * the device until its frame is used again. `mended`: they do.
   */
  readonly reclaimFrees?: Mending;
  /**
   * Does a swap-in that finds its folio in the swap cache keep the mapping of a write-protected
   * node read-only? `v4`: it does not. Demotion and reclaim that cannot write may leave a folio of
   * the swap cache there, and do_swap_page is no site of the series (found by fuzzing this model).
   * `mended`: it does.
   */
  readonly swapIn?: Mending;
  /**
   * Does a page of shared memory on a write-protected node stay read-only when an area maps it
   * anew? `v4`: it does not. A fault where nothing stands, of a second task or after a zap, gives
   * it the protection of the area, and so does mprotect; neither is a site of the series for shared
   * memory (found by fuzzing this model). `mended`: it does, and the store faults.
   */
  readonly sharedMaps?: Mending;
  /**
   * What does clear_ops do with folios that are still on the node? `v4`: nothing. They may not
   * migrate any more, so the memory cannot go offline, and a write lands on the device. `mended`:
   * they move to ordinary memory first; -EBUSY if one cannot, and the ops stay.
   */
  readonly teardown?: Mending;
  /**
   * Does a task policy that names only private nodes bind pages that cannot ask, such as page
   * tables? `v4`: it does, so the task is killed for want of memory while DRAM is free. `mended`:
   * for them the policy's ordinary nodes count, or no policy if it has none.
   */
  readonly kernelPages?: Mending;
  /**
   * Do pages of shared memory under a policy ask for the private node? `v4`: they do not, and a
   * bound area kills at its first fault. `mended`: they do.
   */
  readonly shmem?: Mending;
  /**
   * Does a policy made while the node had opted in hold after the ops are gone? `v4`: it does, and
   * pages go on landing there. `mended`: each allocation asks again, and the node drops out.
   */
  readonly stalePolicy?: Mending;
  /**
   * How does mbind MOVE bring pages to the node? `v4`: it allocates by the policy, and the service
   * hears nothing. `mended`: through `migrate_to`, as move_pages does.
   */
  readonly mbindMove?: Mending;
  /**
   * Do MADV_COLD and MADV_PAGEOUT spare a huge page of the node? `v4`: they do not. Patch 07 spares
   * base pages only, so a huge page is swapped out of a node that lets nobody touch it. `mended`:
   * they do.
   */
  readonly hugeAdvice?: Mending;
  /**
   * Does attaching a task to a cpuset that names the node move the task's memory there? `v4`: it
   * does, through `migrate_to`, though nobody asked for the node's memory. `mended`: cpusets move
   * memory to ordinary nodes only; if the cpuset has none, nothing moves.
   */
  readonly cpusetMoves?: Mending;
  /**
   * May ordinary memory be plugged into a registered node? `v4`: it may, and silently becomes
   * private. `mended`: -EBUSY, only the driver that registered the node may. Simplified: memory
   * that was plugged in before the node was registered, and is still offline, is not found.
   */
  readonly hotAdd?: Mending;
  /**
   * What if the nearest demotion target is blocked? `v4`: nothing is demoted, to no node.
   * `mended`: the next target is tried.
   */
  readonly blockedTarget?: Mending;
  /**
   * Does reclaim for a control group see the node? `v4`: it walks the list of the CPU's node, where
   * no private node is, so a limit below what lies there kills. `mended`: it visits private nodes
   * with NP_OPS_RECLAIM too, after the ordinary ones.
   */
  readonly groupReclaim?: Mending;
  /**
   * What does write(2) do to a page of a file on a write-protected node? `v4`: it changes it in
   * place, through the kernel's own mapping, and the service hears nothing. `mended`: the folio
   * moves to ordinary memory before a byte changes, as the author's later trees have it; -ENOMEM if
   * it cannot. Simplified: what truncation zeroes of a last page is still zeroed in place.
   */
  readonly bufferedWrites?: Mending;
  /**
   * What if the nodes that a policy binds to are full? `v4`: reclaim and then a kill, with DRAM
   * free, as on an ordinary node; but who was given device memory to fill is not short of memory.
   * `mended`: the request goes on in ordinary memory, as in version 5.
   */
  readonly overflow?: Mending;
  /**
   * Does a policy reach every node of its mask? `v4`: no list but its own holds a private node, so
   * of two the second is never used, nor one beside DRAM, nor one that PREFERRED_MANY names.
   * `mended`: requests that ask walk the third list of version 5 (gate `private-zonelist`).
   */
  readonly policyReach?: Mending;
  /**
   * Does set_ops refuse flags whose callback is missing? `v4`: only MIGRATION is checked.
   * PROTECT_WRITE without `handle_fault` grants the next store in place, DEMOTION without
   * `migrate_to` makes a target that takes nothing, and unknown bits are accepted. `mended`:
   * -EINVAL.
   */
  readonly obligations?: Mending;
  /**
   * When is the service told of poison in a free page? `v4`: while nobody holds it, against the
   * contract, so that it may be allocated meanwhile. `mended`: once it is off the free lists, with
   * the reference that poison holds.
   */
  readonly poisonNotice?: Mending;
  /**
   * Is a folio that `free_folio` keeps off its LRU list and charged to nobody? `v4`: it is neither,
   * so reclaim finds it and a group pays for what it gave back. `mended`: it is.
   */
  readonly keptFolios?: Mending;
  /**
   * Does /proc/PID/numa_maps count pages on private nodes? `v4`: it does not, opted in or not,
   * though smaps does and has_memory lists a node with NP_OPS_MEMPOLICY. `mended`: it does.
   */
  readonly numaMaps?: Mending;
  /**
   * Does memory.numa_stat have private nodes? `v4`: it does not, so its nodes sum up to less than
   * memory.stat of the same group. `mended`: it does.
   */
  readonly numaStat?: Mending;
  /**
   * Does has_normal_memory list private nodes, from which nothing of the kernel's own may come?
   * `v4`: it does (if they have more than ZONE_MOVABLE), while has_memory does not. `mended`: it
   * does not. Only the file changes: what the kernel keeps for each node with normal memory is not
   * modelled.
   */
  readonly normalMemory?: Mending;
  /**
   * What if a demotion target is full? `v4`: what it does not take goes on to the next, so younger
   * pages land below older ones, which patch 14 wants to avoid. `mended`: demotion wakes the
   * target's kswapd, if mm may reclaim there, and waits until it has room or has given up.
   * Simplified: reclaim that may swap then swaps out what waits.
   */
  readonly demotionOrder?: Mending;
  /**
   * What does clear_ops say once the memory is gone and the node unregistered, which is the order
   * that strands nothing? `v4`: -ENODEV, of which CRAM warns. `mended`: 0 for the ops that the node
   * had last.
   */
  readonly lateClear?: Mending;
}

/** What mm does beside policies. */
export function specialRules(mends: Mends): SpecialRules {
  return {
    reclaimFreesHooked: mends.reclaimFrees === 'mended',
    swapInFenced: mends.swapIn === 'mended',
    sharedFenced: mends.sharedMaps === 'mended',
    hugeAdviceAsks: mends.hugeAdvice === 'mended',
    cpusetMovesOrdinary: mends.cpusetMoves === 'mended',
    hotAddGuarded: mends.hotAdd === 'mended',
    blockedPassedOver: mends.blockedTarget === 'mended',
    groupReclaimVisits: mends.groupReclaim === 'mended',
    bufferedWritesFenced: mends.bufferedWrites === 'mended',
    poisonHeldFirst: mends.poisonNotice === 'mended',
    freedUnlistedFirst: mends.keptFolios === 'mended',
    numaMapsCounted: mends.numaMaps === 'mended',
    numaStatCounted: mends.numaStat === 'mended',
    normalMemoryOrdinary: mends.normalMemory === 'mended',
    demotionOrdered: mends.demotionOrder === 'mended',
  };
}

/** The rules of policies that follow. */
export function policyRules(profile: ProfileName, mends: Mends): PolicyRules {
  const fallsBack = profile === 'v5-caps' || mends.overflow === 'mended';
  return {
    unasked: mends.kernelPages === 'mended' ? 'ordinary' : POLICY_RULES.unasked,
    shmem: mends.shmem === 'mended' ? 'asks' : POLICY_RULES.shmem,
    granted: mends.stalePolicy === 'mended' ? 'each time' : POLICY_RULES.granted,
    moves: mends.mbindMove === 'mended' ? 'by entry' : POLICY_RULES.moves,
    unsatisfied: fallsBack ? 'falls back' : POLICY_RULES.unsatisfied,
  };
}
