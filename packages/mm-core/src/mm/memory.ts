import { __GFP_ZERO, GFP_KERNEL } from '../abi/gfp.js';
import { MPOL_F_PRIVATE } from '../abi/mempolicy.js';
import { VM_HUGETLB } from '../abi/mman.js';
import {
  isMigrationType,
  PTE_ACCESSED,
  PTE_MARKER_GUARD,
  PTE_MARKER_UFFD_WP,
  PTE_MKDIRTY,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SPECIAL,
  PTE_TYPE_HWPOISON,
  PTE_TYPE_MARKER,
  PTE_TYPE_SWAP,
  PTE_WRITE,
  pteMapsPage,
  pteType,
} from '../abi/pte.js';
import {
  LEVEL_PTE,
  VM_FAULT_HWPOISON,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_FAULT_SIGSEGV,
} from '../abi/vm-fault.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { userfaultfdWp } from '../mem/userfaultfd.js';
import { hasRecency, type MmStruct, vmaAllows } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type AllocMpol, AllocMpolToken } from './alloc-mpol.js';
import { type AnonFault, AnonFaultToken } from './anon-fault.js';
import { type EntryTypes, EntryTypesToken } from './entry-types.js';
import { type ExpandStack, ExpandStackToken } from './expand-stack.js';
import { FaultContext } from './fault-context.js';
import { type FileFault, FileFaultToken } from './file-fault.js';
import { type Folios, FoliosToken } from './folio.js';
import { FALLBACK, type HugeFault, HugeFaultToken } from './huge-fault.js';
import { type HugetlbFault, HugetlbFaultToken } from './hugetlb-fault.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type Memcontrol, MemcontrolToken } from './memcontrol.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type NumaFault, NumaFaultToken } from './numa-fault.js';
import { type PolicyNodes, PolicyNodesToken } from './policy-nodes.js';
import { type SwapFault, SwapFaultToken } from './swap-fault.js';
import { type Work, WorkToken } from './work.js';
import { type WriteFault, WriteFaultToken } from './write-fault.js';

/** Page faults (mm/memory.c:handle_mm_fault). */
@injectable()
export class Memory {
  private readonly handleSite = Sites.index('memory.handle_pte_fault');
  private readonly pgfault = Vmstat.index('pgfault');
  /** Stores to a read-only entry so far, whoever handled them; for the results. */
  writeProtectFaults = 0;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(PolicyNodesToken) private readonly policyNodes: PolicyNodes,
    @inject(AllocMpolToken) private readonly allocMpol: AllocMpol,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(AnonFaultToken) private readonly anonFault: AnonFault,
    @inject(HugeFaultToken) private readonly hugeFault: HugeFault,
    @inject(HugetlbFaultToken) private readonly hugetlbFault: HugetlbFault,
    @inject(WriteFaultToken) private readonly writeFault: WriteFault,
    @inject(SwapFaultToken) private readonly swapFault: SwapFault,
    @inject(FileFaultToken) private readonly fileFault: FileFault,
    @inject(ExpandStackToken) private readonly stack: ExpandStack,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(NumaFaultToken) private readonly numaFault: NumaFault,
    @inject(EntryTypesToken) private readonly entryTypes: EntryTypes,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(MemcontrolToken) private readonly memcontrol: Memcontrol,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * Handles one fault; the access is tried again afterwards.
   * @param nid node of the faulting CPU
   * @returns VM_FAULT_* bits; 0 and VM_FAULT_MAJOR mean progress
   */
  handleMmFault(mm: MmStruct, vpn: number, write: boolean, nid: number): number {
    this.work.cpuNid = nid;
    const vma = mm.find(vpn) ?? this.stack.expand(mm, vpn);
    if (vma === null || !vmaAllows(vma, write)) {
      this.countFault(mm);
      return VM_FAULT_SIGSEGV;
    }
    const tables = this.ptes.populate(mm.id, vpn);
    if (tables > 0 && !this.allocTables(mm, tables)) return VM_FAULT_OOM;
    const slot = this.ptes.slot(mm.id, vpn);
    const bits = this.ptes.bits[slot]!;
    const vmf = new FaultContext(mm, vma, vpn, slot, write, nid, bits, this.ptes.value[slot]!);
    const isRecent = hasRecency(vma);
    if (isRecent) this.work.enterFault();
    const result = this.dispatch(vmf);
    if (isRecent) this.work.leaveFault();
    if ((result & VM_FAULT_RETRY) === 0) this.countFault(mm);
    return result;
  }

  /**
   * Gives a virtual page that the shared zero page stands for a page of its own, also where nobody
   * may store (FAULT_FLAG_UNSHARE, as a pin has it). @returns VM_FAULT_* bits
   */
  unshareZero(mm: MmStruct, vpn: number, nid: number): number {
    const vma = mm.find(vpn);
    const slot = this.ptes.find(mm.id, vpn);
    const bits = slot < 0 ? 0 : this.ptes.bits[slot]!;
    if (vma === null || !pteMapsPage(bits) || (bits & PTE_SPECIAL) === 0) return 0;
    this.work.cpuNid = nid;
    const value = this.ptes.value[slot]!;
    return this.writeFault.unshare(new FaultContext(mm, vma, vpn, slot, false, nid, bits, value));
  }

  /** hugetlb_fault, or __handle_mm_fault's way down the tables. */
  private dispatch(vmf: FaultContext): number {
    if ((vmf.vma.flags & VM_HUGETLB) !== 0) return this.hugetlbFault.handle(vmf);
    const huge = this.hugeFault.handle(vmf);
    return huge === FALLBACK ? this.handlePteFault(this.refreshed(vmf)) : huge;
  }

  /** A huge entry that had to give way may have left another one behind. */
  private refreshed(vmf: FaultContext): FaultContext {
    const bits = this.ptes.bits[vmf.slot]!;
    return bits === vmf.bits ? vmf : vmf.again(bits, this.ptes.value[vmf.slot]!);
  }

  /**
   * Page tables are memory of the kernel's own: placed by the task's policy, and charged. They take
   * no page here; only where the policy may leave no place for them one is asked for, and put.
   * @returns is there memory for them?
   */
  private allocTables(mm: MmStruct, tables: number): boolean {
    const policy = this.work.current?.policy ?? null;
    if (policy !== null && (policy.flags & MPOL_F_PRIVATE) !== 0) {
      const choice = this.policyNodes.unaskedChoice(policy, 0, this.work.cpuNid);
      const pfn = this.allocMpol.allocPages(choice, 0, GFP_KERNEL | __GFP_ZERO);
      if (pfn < 0) return false;
      this.folios.put(pfn);
    }
    this.policyNodes.advanceCursor(tables);
    this.memcontrol.chargeTables(mm, tables);
    return true;
  }

  private countFault(mm: MmStruct): void {
    this.vmstat.add(this.pgfault, 1);
    this.memcgs.countMm(mm, this.pgfault, 1);
  }

  private handlePteFault(vmf: FaultContext): number {
    if (vmf.bits === 0) return this.doPteMissing(vmf);
    const readOnly = (vmf.bits & (PTE_PRESENT | PTE_WRITE)) === PTE_PRESENT;
    if (vmf.write && readOnly) this.writeProtectFaults++;
    if (!pteMapsPage(vmf.bits)) return this.doNonPresent(vmf);
    if ((vmf.bits & PTE_PROTNONE) !== 0) return this.numaFault.doNumaPage(vmf);
    if ((vmf.bits & PTE_SPECIAL) === 0) {
      const folio = this.table.head(vmf.value);
      const taken = this.managed.folio_managed_handle_fault(this.handleSite, folio, vmf, LEVEL_PTE);
      if (taken >= 0) return taken;
    }
    if (vmf.write && (vmf.bits & PTE_WRITE) === 0) return this.writeFault.doWpPage(vmf);
    this.mapping.change(vmf.slot, PTE_ACCESSED | (vmf.write ? PTE_MKDIRTY : 0), 0);
    vmf.unlock();
    return 0;
  }

  private doPteMissing(vmf: FaultContext): number {
    const { file } = vmf.vma;
    return file === null ? this.anonFault.doAnonymousPage(vmf) : this.fileFault.doFault(vmf, file);
  }

  private doNonPresent(vmf: FaultContext): number {
    const type = pteType(vmf.bits);
    if (type === PTE_TYPE_SWAP) return this.swapFault.doSwapPage(vmf);
    if (isMigrationType(type)) return this.migrationEntryWait(vmf);
    if (type === PTE_TYPE_HWPOISON) {
      vmf.unlock();
      return VM_FAULT_HWPOISON;
    }
    if (type === PTE_TYPE_MARKER) return this.handlePteMarker(vmf);
    const plugin = this.entryTypes.get(type);
    if (plugin === null) {
      vmf.unlock();
      return VM_FAULT_SIGBUS;
    }
    return plugin.fault(vmf);
  }

  /**
   * Guards and poison that no page stands behind, and holes that a userfaultfd protects
   * (handle_pte_marker).
   */
  private handlePteMarker(vmf: FaultContext): number {
    if ((vmf.value & ~PTE_MARKER_UFFD_WP) === 0) {
      if (userfaultfdWp(vmf.vma)) return this.doPteMissing(vmf);
      this.mapping.setEntry(vmf.slot, 0, 0);
      vmf.unlock();
      return 0;
    }
    vmf.unlock();
    if ((vmf.value & PTE_MARKER_GUARD) !== 0) return VM_FAULT_SIGSEGV;
    return VM_FAULT_HWPOISON;
  }

  /** Waits for the batch that holds the page (mm/memory.c:migration_entry_wait). */
  private migrationEntryWait(vmf: FaultContext): number {
    vmf.unlock();
    this.migrate.waitFor(vmf.value);
    return 0;
  }
}
export const MemoryToken = createToken<Memory>('Memory');
