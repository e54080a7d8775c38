/**
 * One fault on its way (struct vm_fault). `slot` is the index of the entry in the page-table
 * columns and `value`/`bits` the entry as read under the page-table lock.
 */
export interface VmFault {
  readonly mmId: number;
  /** Virtual page number. */
  readonly vpn: number;
  /** Index of the entry in `Ptes.bits` and `Ptes.value`. */
  readonly slot: number;
  readonly write: boolean;
  /** Node of the CPU that faulted (numa_node_id). */
  readonly nid: number;
  /** The entry as it was when the lock was taken. */
  readonly bits: number;
  readonly value: number;
  /** Is the page-table lock held? Whoever is handed the fault must release it. */
  readonly ptlHeld: boolean;
  /** Releases the page-table lock (pte_unmap_unlock). */
  unlock(): void;
}
