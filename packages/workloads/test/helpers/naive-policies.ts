/** Replacement in the plainest way, to check the fast ones against. */

/** Stack distance of each reference (0: first one), by a list in the order of recency. */
export function naiveDistances(pages: readonly number[]): readonly number[] {
  const stack: number[] = [];
  return pages.map((page) => {
    const at = stack.indexOf(page);
    if (at >= 0) stack.splice(at, 1);
    stack.unshift(page);
    return at + 1;
  });
}

export function naiveFifo(pages: readonly number[], frames: number): number {
  const queue: number[] = [];
  let misses = 0;
  for (const page of pages) {
    if (queue.includes(page)) continue;
    misses++;
    if (queue.length === frames) queue.shift();
    queue.push(page);
  }
  return misses;
}

export function naiveOpt(pages: readonly number[], frames: number): number {
  const resident = new Set<number>();
  let misses = 0;
  for (const [i, page] of pages.entries()) {
    if (resident.has(page)) continue;
    misses++;
    if (resident.size === frames) resident.delete(farthest(pages, i, resident));
    resident.add(page);
  }
  return misses;
}

export function naiveClock(pages: readonly number[], frames: number, inserted: boolean): number {
  const held: number[] = [];
  const referenced: boolean[] = [];
  let hand = 0;
  let misses = 0;
  for (const page of pages) {
    const at = held.indexOf(page);
    if (at >= 0) {
      referenced[at] = true;
      continue;
    }
    misses++;
    if (held.length < frames) {
      held.push(page);
      referenced.push(inserted);
      continue;
    }
    for (; referenced[hand] === true; hand = (hand + 1) % frames) referenced[hand] = false;
    held[hand] = page;
    referenced[hand] = inserted;
    hand = (hand + 1) % frames;
  }
  return misses;
}

function farthest(pages: readonly number[], from: number, resident: ReadonlySet<number>): number {
  let best = -1;
  let bestUse = -1;
  for (const page of resident) {
    const use = pages.indexOf(page, from + 1);
    if (use < 0) return page;
    if (use > bestUse) {
      best = page;
      bestUse = use;
    }
  }
  return best;
}
