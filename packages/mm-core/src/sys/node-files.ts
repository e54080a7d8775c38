import { N_CPU, N_MEMORY, N_MEMORY_PRIVATE, N_ONLINE, N_POSSIBLE } from '../abi/node-states.js';
import { inject, injectable } from '../base/di.js';
import { GRANT_MEMPOLICY } from '../hooks/grants.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type Nodemask, nodeList, nodemask } from '../mem/nodemask.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { textFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const FOLDER = '/sys/devices/system/node';

/** Which nodes are in which state, and how far apart they are (drivers/base/node.c). */
@injectable()
export class NodeFiles implements PseudoFileSource {
  private readonly site = Sites.index('node.has_memory');
  private readonly normalSite = Sites.index('memory_hotplug.online_pages_normal');

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  addTo(files: PseudoFiles): void {
    const states = {
      possible: N_POSSIBLE,
      online: N_ONLINE,
      has_cpu: N_CPU,
      has_private_memory: N_MEMORY_PRIVATE,
    };
    for (const [name, state] of Object.entries(states)) {
      files.add(
        `${FOLDER}/${name}`,
        textFile(() => nodeList(nodemask(this.nodes.inState(state)))),
      );
    }
    files.add(
      `${FOLDER}/has_memory`,
      textFile(() => nodeList(this.withMemory())),
    );
    files.add(
      `${FOLDER}/has_normal_memory`,
      textFile(() => nodeList(this.withNormalMemory())),
    );
    for (const { nid } of this.nodes.all()) {
      files.add(
        `${FOLDER}/node${nid}/distance`,
        textFile(() => this.distances(nid)),
      );
      const cpus = this.cpusOf(nid);
      files.add(
        `${FOLDER}/node${nid}/cpulist`,
        textFile(() => nodeList(nodemask(cpus))),
      );
      files.add(
        `${FOLDER}/node${nid}/cpumap`,
        textFile(() => cpumap(cpus, this.nodes.cpuCount())),
      );
      this.addAccess(files, nid);
    }
  }

  /** Private nodes that policies may name count, so that programs find them (RFC v4 patch 13). */
  private withMemory(): Nodemask {
    const named = this.nodes
      .inState(N_MEMORY_PRIVATE)
      .filter((nid) => this.managed.node_allows(this.site, nid, GRANT_MEMPOLICY));
    return nodemask([...this.nodes.inState(N_MEMORY), ...named]);
  }

  /**
   * What HMAT says of the way from the nearest initiator, and from the nearest CPU: the same here
   * (node_set_perf_attrs).
   */
  private addAccess(files: PseudoFiles, nid: number): void {
    const { perf } = this.nodes.pgdat(nid);
    if (perf === null) return;
    for (const access of ['access0', 'access1']) {
      for (const [name, value] of Object.entries(perf)) {
        files.add(
          `${FOLDER}/node${nid}/${access}/initiators/${name}`,
          textFile(() => String(value)),
        );
      }
    }
  }

  private cpusOf(nid: number): number[] {
    const { cpus } = this.nodes.pgdat(nid);
    const first = this.nodes.firstCpuOf(nid);
    return Array.from({ length: cpus }, (_, at) => first + at);
  }

  /**
   * N_NORMAL_MEMORY: zones that the kernel itself could use, private ones too, unless
   * `normalMemoryOrdinary` says otherwise. Simplified: that changes this file only, not where the
   * kernel puts structures of its own (list_lru, slub and hugetlb_cgroup go by the mask).
   */
  private withNormalMemory(): Nodemask {
    const apart = this.nodes
      .inState(N_MEMORY_PRIVATE)
      .filter((nid) => !this.managed.normal_memory_leaves_out(this.normalSite, nid));
    const nids = [...this.nodes.inState(N_MEMORY), ...apart];
    return nodemask(nids.filter((nid) => this.nodes.hasNormalMemory(nid)));
  }

  private distances(nid: number): string {
    const online = this.nodes.inState(N_ONLINE);
    return online.map((other) => this.nodes.distance(nid, other)).join(' ');
  }
}

/** A mask in hexadecimal, as wide as the machine has CPUs (cpumap_print_to_pagebuf). */
function cpumap(cpus: readonly number[], all: number): string {
  const mask = cpus.reduce((sum, cpu) => sum + 2n ** BigInt(cpu), 0n);
  const digits = mask.toString(16).padStart(Math.ceil(all / 4), '0');
  return digits.replace(/\B(?=(?:.{8})+$)/g, ',');
}
