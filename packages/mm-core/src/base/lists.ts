/**
 * Many doubly linked lists over one pair of columns: an element is an index (a pfn), a list is one
 * more index behind the elements (its head). Every operation is O(1) and allocates nothing.
 *
 * Invariant: `next[prev[i]] === i` for every linked element and head; an unlinked element has
 *            `next[i] === 0` and
 * `prev[i] === 0` (links are stored plus one, so that untouched column pages need no
 * initialisation).
 */
export class IntrusiveLists {
  private readonly next: Int32Array;
  private readonly prev: Int32Array;

  /**
   * @param elements number of elements (indices 0 .. elements-1)
   * @param lists number of lists (named 0 .. lists-1)
   */
  constructor(
    private readonly elements: number,
    lists: number,
  ) {
    this.next = new Int32Array(elements + lists);
    this.prev = new Int32Array(elements + lists);
    for (let list = 0; list < lists; list++) this.unlinkHead(elements + list);
  }

  /** Bytes of column memory per element. */
  static readonly BYTES_PER_ELEMENT = 8;

  /** Is the element on some list? */
  linked(element: number): boolean {
    return this.next[element] !== 0;
  }

  isEmpty(list: number): boolean {
    const head = this.elements + list;
    return this.next[head] === head + 1;
  }

  /** First element (the most recently added at the head), or -1. */
  first(list: number): number {
    const at = this.next[this.elements + list]! - 1;
    return at < this.elements ? at : -1;
  }

  /** Last element, or -1. */
  last(list: number): number {
    const at = this.prev[this.elements + list]! - 1;
    return at < this.elements ? at : -1;
  }

  /** The element after `element` towards the tail, or -1. */
  after(element: number): number {
    const at = this.next[element]! - 1;
    return at < this.elements ? at : -1;
  }

  /** The element before `element` towards the head, or -1. */
  before(element: number): number {
    const at = this.prev[element]! - 1;
    return at < this.elements ? at : -1;
  }

  addHead(list: number, element: number): void {
    const head = this.elements + list;
    this.insert(element, head, this.next[head]! - 1);
  }

  addTail(list: number, element: number): void {
    const head = this.elements + list;
    this.insert(element, this.prev[head]! - 1, head);
  }

  remove(element: number): void {
    const n = this.next[element]! - 1;
    const p = this.prev[element]! - 1;
    this.next[p] = n + 1;
    this.prev[n] = p + 1;
    this.next[element] = 0;
    this.prev[element] = 0;
  }

  /** Elements from head to tail; the list must not change meanwhile. For checks and reports. */
  *walk(list: number): IterableIterator<number> {
    for (let at = this.first(list); at !== -1; at = this.after(at)) yield at;
  }

  private insert(element: number, p: number, n: number): void {
    this.next[element] = n + 1;
    this.prev[element] = p + 1;
    this.next[p] = element + 1;
    this.prev[n] = element + 1;
  }

  private unlinkHead(head: number): void {
    this.next[head] = head + 1;
    this.prev[head] = head + 1;
  }
}
