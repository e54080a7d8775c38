/**
 * A bounded list of events: when full, every second one goes and from then on only one in `stride`
 * is kept. The same events in give the same events out.
 */
export class Thinned<T> {
  /** One in so many events is kept. */
  stride = 1;
  /** Events seen. */
  seen = 0;
  private items: T[] = [];

  constructor(private readonly max: number) {}

  push(item: T): void {
    const wanted = this.seen % this.stride === 0;
    this.seen += 1;
    if (!wanted) return;
    if (this.items.length >= this.max) {
      this.items = this.items.filter((_, index) => index % 2 === 0);
      this.stride *= 2;
      if ((this.seen - 1) % this.stride !== 0) return;
    }
    this.items.push(item);
  }

  get kept(): readonly T[] {
    return this.items;
  }
}
