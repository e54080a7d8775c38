import { __GFP_FS } from '../abi/gfp.js';
import { MPOL_BIND } from '../abi/mempolicy.js';
import { N_MEMORY } from '../abi/node-states.js';
import { createToken, inject, injectable } from '../base/di.js';
import { MmError } from '../hooks/errors.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { TaskStruct } from '../mem/task-struct.js';
import type { MmStruct } from '../mem/vma.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type Swap, SwapToken } from './swap.js';
import { Sysctl } from './sysctl.js';
import { type Tasks, TasksToken } from './tasks.js';
import { type Work, WorkToken } from './work.js';
import type { AllocRequest, ZoneAlloc } from './zone-alloc.js';
import { ZoneAllocToken } from './zone-alloc.js';

/** Frees a victim's memory at once (the oom reaper); set by whoever can unmap (machine wiring). */
export type OomReaper = (mm: MmStruct) => void;

/** oom_score_adj of a task that is never killed (OOM_SCORE_ADJ_MIN). */
const OOM_SCORE_ADJ_MIN = -1000;

/** What a kill is for (struct oom_control). */
interface OomControl {
  readonly memcg: MemCgroup | null;
  /** Nodes that count, when a policy left others out (CONSTRAINT_MEMORY_POLICY). */
  readonly nodemask: ReadonlySet<number> | null;
  readonly totalPages: number;
}

/**
 * The OOM killer (mm/oom_kill.c). Simplified: a victim's memory is reaped at once, but for that of
 * the task that allocates, which goes when the task does; with nobody to kill nothing panics.
 */
@injectable()
export class OomKill {
  private readonly site = Sites.index('oom_kill.constrained_alloc');
  private readonly cpusetSite = Sites.index('oom_kill.oom_cpuset_eligible');
  private readonly victims = new Set<number>();
  /** Unmaps the victim; without it a kill frees nothing. */
  reaper: OomReaper = () => undefined;

  constructor(
    @inject(TasksToken) private readonly tasks: Tasks,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** Kills somebody for a page (out_of_memory). @returns was there somebody to kill? */
  outOfMemory(request: AllocRequest): boolean {
    const { current } = this.work;
    if (current !== null && this.isVictim(current.mm.id)) return true;
    if ((request.gfp & __GFP_FS) === 0) return true;
    const control = this.constrainedAlloc(request);
    this.checkPanicOnOom(control.nodemask !== null || this.boundByCpuset(request));
    if (this.sysctl.oom_kill_allocating_task && current !== null) {
      if (this.isEligible(current, control) && current.oomScoreAdj !== OOM_SCORE_ADJ_MIN) {
        this.killProcess(current, control);
        return true;
      }
    }
    return this.killWorst(this.tasks.all(), control);
  }

  /**
   * Kills the task that has most of something, by the caller's count; nobody who has none of it.
   * @returns was there somebody to kill?
   */
  killMost(pagesOf: (task: TaskStruct) => number): boolean {
    let chosen: TaskStruct | null = null;
    let most = 0;
    for (const task of this.tasks.all()) {
      const spared = this.isVictim(task.mm.id) || task.oomScoreAdj === OOM_SCORE_ADJ_MIN;
      const pages = task.alive && !spared ? pagesOf(task) : 0;
      if (pages === 0 || pages < most) continue;
      chosen = task;
      most = pages;
    }
    if (chosen === null) return false;
    this.killProcess(chosen, { memcg: null, nodemask: null, totalPages: 0 });
    return true;
  }

  /** Kills somebody of a group that is at its limit (mem_cgroup_out_of_memory). */
  memCgroupOutOfMemory(memcg: MemCgroup): boolean {
    const { current } = this.work;
    if (current !== null && this.isVictim(current.mm.id)) return true;
    const members = [...this.tasks.all()].filter((task) => memcg.holds(this.groupOf(task)));
    this.checkPanicOnOom(true);
    const control = { memcg, nodemask: null, totalPages: Math.max(1, memcg.memory.max) };
    return this.killWorst(members, control);
  }

  /**
   * The machine stops instead (check_panic_on_oom).
   * @throws MmError KERNEL_PANIC
   */
  private checkPanicOnOom(isConstrained: boolean): void {
    const { panic_on_oom: panic } = this.sysctl;
    if (panic === 0 || (panic !== 2 && isConstrained)) return;
    throw new MmError('KERNEL_PANIC', { detail: 'out of memory' });
  }

  /** Are there zones of the list that the task's cpuset does not allow (CONSTRAINT_CPUSET)? */
  private boundByCpuset(request: AllocRequest): boolean {
    const zones = this.zoneAlloc.zonelist(request);
    return zones.some((zone) => !this.zoneAlloc.nodeAllowed(request, zone.nid));
  }

  /** Was the task of this address space killed? */
  isVictim(mmId: number): boolean {
    return this.victims.has(mmId);
  }

  /**
   * Which memory the request could have been served from, and how much of it there is
   * (constrained_alloc): that scales oom_score_adj.
   */
  private constrainedAlloc(request: AllocRequest): OomControl {
    const swap = this.swap.free() + this.swap.used();
    const eligible = this.zoneAlloc
      .zonelist(request)
      .filter((zone) => this.managed.node_oom_eligible(this.site, zone.nid));
    const { nodemask } = request;
    const partial = nodemask !== null && this.nodes.inState(N_MEMORY).some((n) => !nodemask.has(n));
    const counted = partial ? eligible.filter((zone) => nodemask.has(zone.nid)) : eligible;
    const pages = counted.reduce((sum, zone) => sum + zone.managedPages, 0);
    return { memcg: null, nodemask: partial ? nodemask : null, totalPages: pages + swap };
  }

  /** Highest points; of equals the later one (select_bad_process, oom_evaluate_task). */
  private killWorst(tasks: Iterable<TaskStruct>, control: OomControl): boolean {
    let chosen: TaskStruct | null = null;
    let most = -Infinity;
    for (const task of tasks) {
      if (!task.alive || this.isVictim(task.mm.id)) continue;
      if (control.memcg === null && !this.isEligible(task, control)) continue;
      const points = this.badness(task, control.totalPages);
      if (points === null || points < most) continue;
      chosen = task;
      most = points;
    }
    if (chosen === null) return false;
    this.killProcess(chosen, control);
    return true;
  }

  /** Pages that its death would free, and its adjustment (oom_badness); null: not to be killed. */
  private badness(task: TaskStruct, totalPages: number): number | null {
    const { mm, oomScoreAdj } = task;
    if (oomScoreAdj === OOM_SCORE_ADJ_MIN) return null;
    const own = mm.rss + mm.swapents + this.ptes.regions(mm.id).length;
    const pages = own + task.rssElsewhere;
    if (pages === 0) return null;
    return pages + oomScoreAdj * Math.floor(totalPages / 1000);
  }

  /** Could the task have memory there at all (oom_cpuset_eligible)? */
  private isEligible(task: TaskStruct, { nodemask }: OomControl): boolean {
    if (nodemask !== null) {
      const { policy } = task;
      if (policy === null || policy.mode !== MPOL_BIND) return true;
      return [...policy.nodes].some((nid) => nodemask.has(nid));
    }
    const ours = this.work.current?.memsAllowed ?? null;
    const theirs = task.memsAllowed;
    if (ours === null || theirs === null) return true;
    return [...theirs].some((nid) => {
      return ours.has(nid) && this.managed.node_counts_for_oom(this.cpusetSite, nid);
    });
  }

  /** The victim, with its whole group if the group says so (oom_kill_process). */
  private killProcess(victim: TaskStruct, control: OomControl): void {
    const group = this.oomGroupOf(victim, control.memcg);
    this.kill(victim, control.totalPages);
    if (group === null) return;
    group.event('oom_group_kill');
    for (const task of [...this.tasks.all()]) {
      const spared = this.isVictim(task.mm.id) || task.oomScoreAdj === OOM_SCORE_ADJ_MIN;
      if (group.holds(this.groupOf(task)) && !spared) this.kill(task, control.totalPages);
    }
  }

  /** The highest group below the limit that dies as one (mem_cgroup_get_oom_group). */
  private oomGroupOf(victim: TaskStruct, memcg: MemCgroup | null): MemCgroup | null {
    let found: MemCgroup | null = null;
    for (let at: MemCgroup | null = this.groupOf(victim); at !== null; at = at.parent) {
      if (at.oomGroup) found = at;
      if (at === memcg) break;
    }
    return found;
  }

  private kill(victim: TaskStruct, totalPages: number): void {
    this.victims.add(victim.mm.id);
    this.vmstat.count('oom_kill');
    this.groupOf(victim).event('oom_kill');
    const tp = this.tracepoints.mm_oom_kill;
    if (tp.enabled) tp.emit(victim.mm.id, victim.mm.rss, totalPages);
    if (victim !== this.work.current) this.reaper(victim.mm);
  }

  private groupOf(task: TaskStruct): MemCgroup {
    return this.memcgs.ofGroup(task.cgroup);
  }
}
export const OomKillToken = createToken<OomKill>('OomKill');
