import { assert } from '@mm-lab/mm-core';
import { HoleList } from './hole-list.js';
import type { Medium } from './medium.js';

const NOWHERE = -1;
const NOBODY = -1;

/** What a medium of holes is made of. */
export interface FirstFitParts {
  readonly pages: number;
  readonly blocksPerPage: number;
  readonly capacityBytes: number;
  readonly sectorBytes: number;
  /** Bytes of a block that does not shrink, bookkeeping included. */
  readonly rawBytes: number;
  /** Does it move what is stored when a block finds no hole? */
  readonly moves: 'never' | 'for room';
}

/**
 * Physical space given out first fit: each block of a page lies in one piece, in whole sectors, at
 * the lowest address with room for it. What is freed leaves holes, which pages of other sizes do
 * not fill, so the space fragments.
 *
 * A block that finds no hole although there are sectors enough is not kept. One that moves lets
 * blocks slide down, from the lowest hole on, until the hole before them is large enough: every
 * byte that slides is counted, the device pays for it. All that is free can be had then, so there
 * is no need to begin earlier.
 *
 * Invariants: each sector belongs to one block or to one hole.
 */
export class FirstFitMedium implements Medium {
  compactions = 0;
  movedBytes = 0;
  private readonly sectors: number;
  private readonly beginOf: Int32Array;
  private readonly sectorsOf: Uint16Array;
  /** Block that begins at a sector. */
  private readonly blockAt: Int32Array;
  private readonly rawSectors: number;
  private holes: HoleList;

  constructor(private readonly parts: FirstFitParts) {
    const { pages, blocksPerPage, capacityBytes, sectorBytes, rawBytes } = parts;
    this.sectors = Math.floor(capacityBytes / sectorBytes);
    this.beginOf = new Int32Array(pages * blocksPerPage).fill(NOWHERE);
    this.sectorsOf = new Uint16Array(pages * blocksPerPage);
    this.blockAt = new Int32Array(this.sectors).fill(NOBODY);
    this.rawSectors = Math.ceil(rawBytes / sectorBytes);
    this.holes = this.allFree();
  }

  /**
   * All sectors of blocks, if it moves. If not, what holds no raw block between them is as good as
   * used: room for so many raw blocks is gone.
   */
  get usedBytes(): number {
    const { sectorBytes, moves } = this.parts;
    const taken = this.sectors - this.holes.freeSectors;
    if (moves === 'for room') return taken * sectorBytes;
    const rawGone = Math.floor(this.sectors / this.rawSectors) - this.holes.rawBlocks;
    return Math.max(taken, rawGone * this.rawSectors) * sectorBytes;
  }

  place(page: number, blocks: readonly number[]): boolean {
    const { blocksPerPage, sectorBytes } = this.parts;
    const first = page * blocksPerPage;
    this.release(page);
    for (const [at, bytes] of blocks.entries()) {
      if (bytes === 0 || this.put(first + at, Math.ceil(bytes / sectorBytes))) continue;
      this.release(page);
      return false;
    }
    return true;
  }

  clear(): void {
    this.beginOf.fill(NOWHERE);
    this.blockAt.fill(NOBODY);
    this.holes = this.allFree();
  }

  verify(): void {
    this.holes.verify();
    let sectors = this.holes.freeSectors;
    for (const [block, begin] of this.beginOf.entries()) {
      if (begin === NOWHERE) continue;
      sectors += this.sectorsOf[block]!;
      assert(this.blockAt[begin] === block, 'a block is known by its first sector');
    }
    assert(sectors === this.sectors, 'each sector belongs to a block or to a hole');
    let at = 0;
    while (at < this.sectors) {
      const block = this.blockAt[at]!;
      const length = block === NOBODY ? this.holes.lengthOf(at) : this.sectorsOf[block]!;
      assert(length > 0, 'blocks and holes lie one behind the other');
      at += length;
    }
    assert(at === this.sectors, 'the last block or hole ends with the medium');
  }

  private allFree(): HoleList {
    const holes = new HoleList(this.rawSectors);
    holes.add(0, this.sectors);
    return holes;
  }

  private put(block: number, sectors: number): boolean {
    let begin = this.holes.firstFit(sectors);
    if (begin < 0) begin = this.compact(sectors);
    if (begin < 0) return false;
    this.holes.take(begin, sectors);
    this.settle(block, begin, sectors);
    return true;
  }

  private settle(block: number, begin: number, sectors: number): void {
    this.beginOf[block] = begin;
    this.sectorsOf[block] = sectors;
    this.blockAt[begin] = block;
  }

  private release(page: number): void {
    const { blocksPerPage } = this.parts;
    const first = page * blocksPerPage;
    for (let block = first; block < first + blocksPerPage; block++) {
      const begin = this.beginOf[block]!;
      if (begin === NOWHERE) continue;
      this.beginOf[block] = NOWHERE;
      this.blockAt[begin] = NOBODY;
      this.holes.add(begin, this.sectorsOf[block]!);
    }
  }

  /** Slides blocks down until a hole has so many sectors. @returns where it begins, or -1 */
  private compact(sectors: number): number {
    const { moves, sectorBytes } = this.parts;
    if (moves === 'never' || this.holes.freeSectors < sectors) return -1;
    this.compactions += 1;
    let hole = this.holes.firstFit(1);
    while (this.holes.lengthOf(hole) < sectors) {
      const length = this.holes.lengthOf(hole);
      const block = this.blockAt[hole + length]!;
      const moved = this.sectorsOf[block]!;
      this.holes.take(hole, length);
      this.blockAt[hole + length] = NOBODY;
      this.settle(block, hole, moved);
      this.holes.add(hole + moved, length);
      this.movedBytes += moved * sectorBytes;
      hole += moved;
    }
    return hole;
  }
}
