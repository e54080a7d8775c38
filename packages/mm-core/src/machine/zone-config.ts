import { MAX_PAGE_ORDER, ZONE_MOVABLE, ZONE_NORMAL } from '../abi/zone.js';
import { MmError } from '../hooks/errors.js';

/** One zone of a node as the boot found it. Sizes are pages. */
export interface ZoneConfig {
  /** ZONE_DMA … ZONE_MOVABLE. */
  readonly type: number;
  readonly startPfn: number;
  readonly spanned: number;
  /** Pages that are there; default all that are spanned. */
  readonly present?: number;
  /** Pages given to the buddy allocator; default all that are present. */
  readonly managed?: number;
  /** Pages still free when the boot is over, per-CPU lists included; default all managed. */
  readonly free?: number;
  /** Of those, pages on the list of the last CPU, where no other gets them; default none. */
  readonly stocked?: number;
  /** Plugged in after the memory of the boot: whole memory blocks. */
  readonly hotplugged?: boolean;
}

/** A zone at its place. */
export interface PlacedZone extends Required<ZoneConfig> {
  readonly nid: number;
}

/** What a layout needs of a node. */
interface NodeLayout {
  readonly id: number;
  readonly pages: number;
  readonly zones?: readonly ZoneConfig[];
  readonly movable?: boolean;
}

const BLOCK = 1 << MAX_PAGE_ORDER;

/** Pages of the largest machine, 4 TiB: page numbers and slots stay small integers. */
const PAGES_MAX = 2 ** 30;

/** Page numbers that a node takes; nodes start at multiples of the largest buddy block. */
export function nodeSpan(node: NodeLayout): number {
  if (node.zones === undefined) return roundUp(node.pages);
  return node.zones.reduce((sum, zone) => sum + zone.spanned, 0);
}

/** Every zone of the machine at its page numbers, in the order of the nodes. */
export function placeZones(nodes: readonly NodeLayout[]): PlacedZone[] {
  const placed: PlacedZone[] = [];
  let end = 0;
  for (const node of nodes) {
    for (const zone of node.zones ?? [simpleZone(node, end)]) {
      placed.push(withDefaults(zone, node.id));
      end = Math.max(end, roundUp(zone.startPfn + zone.spanned));
    }
  }
  return placed;
}

/** Pages of the memory map. */
export function endPfn(zones: readonly PlacedZone[]): number {
  return zones.reduce((end, zone) => Math.max(end, roundUp(zone.startPfn + zone.spanned)), 0);
}

/** Refuses zones that overlap or hold more than they span. @throws MmError */
export function checkLayout(nodes: readonly NodeLayout[]): void {
  const zones = placeZones(nodes);
  for (const zone of zones) checkZone(zone);
  if (endPfn(zones) > PAGES_MAX) {
    throw new MmError('MACHINE_BAD_OPTION', {
      detail: `${endPfn(zones)} pages; at most ${PAGES_MAX}`,
    });
  }
  const sorted = zones.filter((zone) => zone.spanned > 0).sort((a, b) => a.startPfn - b.startPfn);
  sorted.forEach((zone, at) => {
    const before = sorted[at - 1];
    if (before === undefined) return;
    const shared = Math.floor(zone.startPfn / BLOCK) * BLOCK < before.startPfn + before.spanned;
    if (shared) throw bad(zone, 'shares a largest block with another zone');
  });
}

function checkZone(zone: PlacedZone): void {
  const { startPfn, spanned, present, managed, free, stocked } = zone;
  const sizes = [startPfn, spanned, present, managed, free, stocked];
  if (sizes.some((size) => !Number.isInteger(size) || size < 0)) throw bad(zone, 'sizes');
  const nested = stocked <= free && free <= managed && managed <= present && present <= spanned;
  if (!nested) throw bad(zone, 'needs stocked <= free <= managed <= present <= spanned');
}

function simpleZone(node: NodeLayout, startPfn: number): ZoneConfig {
  const type = node.movable === true ? ZONE_MOVABLE : ZONE_NORMAL;
  return { type, startPfn, spanned: node.pages };
}

function withDefaults(zone: ZoneConfig, nid: number): PlacedZone {
  const present = zone.present ?? zone.spanned;
  const managed = zone.managed ?? present;
  const free = zone.free ?? managed;
  const { stocked = 0, hotplugged = false } = zone;
  return { ...zone, nid, present, managed, free, stocked, hotplugged };
}

function bad(zone: PlacedZone, detail: string): MmError {
  return new MmError('MACHINE_BAD_NODE', {
    detail: `node ${zone.nid}: zone at ${zone.startPfn} ${detail}`,
  });
}

function roundUp(pages: number): number {
  return Math.ceil(pages / BLOCK) * BLOCK;
}
