/** A task as the groups see it. */
export interface CgroupTask {
  readonly pid: number;
  /** The group that it is in, null for the root; changed by `CgroupTree` alone. */
  cgroup: Cgroup | null;
}

/** Controllers that this model has. */
export type CgroupController = 'memory' | 'cpuset';
export const CGROUP_CONTROLLERS: readonly CgroupController[] = ['cpuset', 'memory'];

/** One group of the unified hierarchy (struct cgroup); what controllers know stands with them. */
export class Cgroup {
  readonly children = new Map<string, Cgroup>();
  /** Tasks in this very group, not those of its children; the root keeps no list. */
  readonly tasks = new Set<CgroupTask>();
  /** Controllers that the children have (cgroup.subtree_control). */
  readonly subtreeControl = new Set<CgroupController>();

  constructor(
    /** 1, 2, 3 …; never used again. */
    readonly id: number,
    /** Name below the parent; '' of the root. */
    readonly name: string,
    readonly parent: Cgroup | null,
  ) {}

  /** Path from the root: '' or 'a/b'. */
  get path(): string {
    if (this.parent === null) return '';
    return this.parent.parent === null ? this.name : `${this.parent.path}/${this.name}`;
  }

  /** Has the group the controller's files? The root has none of their limits, but is theirs too. */
  has(controller: CgroupController): boolean {
    return this.parent === null || this.parent.subtreeControl.has(controller);
  }

  /** This group and those above it that have the controller, nearest first. */
  *ancestors(controller: CgroupController): IterableIterator<Cgroup> {
    for (let at: Cgroup | null = this; at !== null; at = at.parent) {
      if (at.has(controller)) yield at;
    }
  }

  /** The nearest group with the controller, this one included (cgroup_e_css). */
  effective(controller: CgroupController): Cgroup {
    for (const group of this.ancestors(controller)) return group;
    return this;
  }

  /** This group and all below it, parents before their children (css_for_each_descendant_pre). */
  *descendants(): IterableIterator<Cgroup> {
    const left: Cgroup[] = [this];
    for (let at = left.pop(); at !== undefined; at = left.pop()) {
      yield at;
      left.push(...[...at.children.values()].reverse());
    }
  }
}
