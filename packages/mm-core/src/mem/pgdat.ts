import { MAX_NR_ZONES } from '../abi/zone.js';
import type { MemoryDevice } from '../hooks/memory-device.js';
import type { Zone } from './zone.js';

/**
 * kswapd of a node: a thread that sleeps until it is woken (kernel state of struct pglist_data).
 */
export interface KswapdState {
  /** Is there a thread? Private nodes have none until their service starts it. */
  running: boolean;
  asleep: boolean;
  /** Highest order asked for since it last slept (kswapd_order). */
  order: number;
  /** Runs without a page; at 16 the node is hopeless (kswapd_failures). */
  failures: number;
}

/** kcompactd of a node (pgdat->kcompactd_max_order, kcompactd_highest_zoneidx). */
export interface KcompactdState {
  running: boolean;
  /** It works, or was just woken. */
  awake: boolean;
  /** Largest order asked for since it last worked; 0 = none. */
  maxOrder: number;
  /** Highest zone type that all of these can use. */
  highestZone: number;
}

/**
 * Performance of a node as its nearest initiator sees it (include/linux/node.h:struct
 * access_coordinate): nanoseconds, megabytes per second.
 */
export interface AccessCoordinate {
  readonly read_latency: number;
  readonly write_latency: number;
  readonly read_bandwidth: number;
  readonly write_bandwidth: number;
}

/** Allocations by how well they met their wish (/sys/devices/system/node/nodeN/numastat). */
export interface NumaStat {
  numa_hit: number;
  numa_miss: number;
  numa_foreign: number;
  local_node: number;
  other_node: number;
}

/** One NUMA node (pg_data_t). */
export class Pgdat {
  /** Zones by ascending type. */
  readonly zones: Zone[] = [];
  /** ZONELIST_FALLBACK and ZONELIST_NOFALLBACK: zones in the order they are tried. */
  fallback: readonly Zone[] = [];
  nofallback: readonly Zone[] = [];
  /** A third list of an isolation, with the nodes that it keeps out of the others, and its own. */
  apart: readonly Zone[] = [];
  apartOnly: readonly Zone[] = [];
  /** Registered as private (`pgdat->private`, RFC v4 patch 01). */
  private = false;
  /** What backs the node, if it is not plain DRAM. */
  device: MemoryDevice | null = null;
  /** What HMAT says of the node, or null. */
  perf: AccessCoordinate | null = null;
  /** Abstract distance that was given instead of computed, or null. */
  adistance: number | null = null;
  /** All of its memory was plugged in after the boot. */
  hotpluggedOnly = false;
  /** Pages in use that the buddy allocator knows nothing of; set by whoever owns such a range. */
  pagesOutside: (() => number) | null = null;
  /** Whose statistics count its pages: itself, or the node that a driver hung its memory into. */
  countedNid: number;
  readonly numaStat: NumaStat = {
    numa_hit: 0,
    numa_miss: 0,
    numa_foreign: 0,
    local_node: 0,
    other_node: 0,
  };
  readonly kswapd: KswapdState = { running: false, asleep: true, order: 0, failures: 0 };
  /** Wakes kswapd, and says whether it has work; set by its service. */
  wakeKswapd: (() => boolean) | null = null;
  readonly kcompactd: KcompactdState = {
    running: false,
    awake: false,
    maxOrder: 0,
    highestZone: MAX_NR_ZONES - 1,
  };
  /** Wakes kcompactd for an order of zones up to a type; set by its service. */
  wakeKcompactd: ((order: number, highestZone: number) => void) | null = null;

  constructor(
    readonly nid: number,
    /** First pfn of the node. */
    readonly base: number,
    /** Pages that the node can have. */
    readonly spannedPages: number,
    readonly cpus: number,
    /** Distance to each node, by node id (10 = itself). */
    readonly distances: readonly number[],
    /** Latency of one line, in nanoseconds; a device sets its own when it backs the node. */
    public lineNs: number,
    /** Bandwidth of a copy from or to it, in bytes per nanosecond; as above. */
    public bytesPerNs: number,
  ) {
    this.countedNid = nid;
  }

  /** A device backs the node: lines and copies are as fast as it is. */
  setSpeed(device: MemoryDevice): void {
    this.lineNs = device.lineNs;
    this.bytesPerNs = device.bytesPerNs ?? this.bytesPerNs;
  }

  managedPages(): number {
    return this.zones.reduce((sum, zone) => sum + zone.managedPages, 0);
  }

  /** Free pages, those that CPUs keep in stock included. */
  unusedPages(): number {
    return this.zones.reduce((sum, zone) => sum + zone.unusedPages, 0);
  }

  /** Free pages as the kernel counts them: without those in stock. */
  freePages(): number {
    return this.zones.reduce((sum, zone) => sum + zone.freePages, 0);
  }
}
