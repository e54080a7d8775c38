/** Results of a fault handler (include/linux/mm_types.h:enum vm_fault_reason); 0 means done. */
export const VM_FAULT_OOM = 0x01;
export const VM_FAULT_SIGBUS = 0x02;
export const VM_FAULT_MAJOR = 0x04;
export const VM_FAULT_HWPOISON = 0x10;
/** The same of a huge page: all of it is lost. */
export const VM_FAULT_HWPOISON_LARGE = 0x20;
export const VM_FAULT_SIGSEGV = 0x40;
export const VM_FAULT_RETRY = 0x400;
/** Any result that the task does not survive by trying again. */
export const VM_FAULT_ERROR =
  VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE | VM_FAULT_SIGSEGV;

/** Page-table levels at which a fault can be handed to an owner. */
export const LEVEL_PTE = 0;
export const LEVEL_PMD = 1;
