/**
 * What mm does with memory set apart where RFC v4 leaves a hole or does harm. Each is off by
 * default: the posted code. What each mends is told where a plugin offers it.
 */
export interface SpecialRules {
  /** Frees made by reclaim reach `free_folio` too. */
  readonly reclaimFreesHooked: boolean;
  /** A swap-in from the swap cache heeds write protection too. */
  readonly swapInFenced: boolean;
  /** Whoever maps shared memory heeds write protection too. */
  readonly sharedFenced: boolean;
  /** MADV_COLD and MADV_PAGEOUT ask the owner of a huge page too. */
  readonly hugeAdviceAsks: boolean;
  /** Cpusets move memory to ordinary nodes only. */
  readonly cpusetMovesOrdinary: boolean;
  /** Only the driver that registered a node plugs memory into it. */
  readonly hotAddGuarded: boolean;
  /** Demotion passes over a node that is blocked, and goes on to the next. */
  readonly blockedPassedOver: boolean;
  /** Reclaim for a group visits the nodes set apart that allow reclaim. */
  readonly groupReclaimVisits: boolean;
  /** A buffered write heeds write protection: the folio goes to ordinary memory first. */
  readonly bufferedWritesFenced: boolean;
  /** Owners are told of poison in a free page once nobody can allocate it. */
  readonly poisonHeldFirst: boolean;
  /** A folio is off its LRU list and uncharged before `free_folio` may keep it. */
  readonly freedUnlistedFirst: boolean;
  /** numa_maps counts pages on private nodes too. */
  readonly numaMapsCounted: boolean;
  /** memory.numa_stat has private nodes too. */
  readonly numaStatCounted: boolean;
  /** has_normal_memory lists ordinary nodes only. */
  readonly normalMemoryOrdinary: boolean;
  /** Demotion waits for a private target whose kswapd can make room, and goes no lower. */
  readonly demotionOrdered: boolean;
}

/** What the posted code of RFC v4 does. */
export const SPECIAL_RULES: SpecialRules = {
  reclaimFreesHooked: false,
  swapInFenced: false,
  sharedFenced: false,
  hugeAdviceAsks: false,
  cpusetMovesOrdinary: false,
  hotAddGuarded: false,
  blockedPassedOver: false,
  groupReclaimVisits: false,
  bufferedWritesFenced: false,
  poisonHeldFirst: false,
  freedUnlistedFirst: false,
  numaMapsCounted: false,
  numaStatCounted: false,
  normalMemoryOrdinary: false,
  demotionOrdered: false,
};
