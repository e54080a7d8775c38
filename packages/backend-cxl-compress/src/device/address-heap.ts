/** Addresses, the lowest first (a binary heap); one may be there twice. */
export class AddressHeap {
  private readonly items: number[] = [];

  get size(): number {
    return this.items.length;
  }

  clear(): void {
    this.items.length = 0;
  }

  /** @returns -1: there is none */
  lowest(): number {
    return this.items[0] ?? -1;
  }

  add(address: number): void {
    const { items } = this;
    let at = items.length;
    items.push(address);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= address) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = address;
  }

  dropLowest(): void {
    const { items } = this;
    const last = items.pop();
    if (last === undefined || items.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child += 1;
      if (child >= items.length || items[child]! >= last) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
  }
}
