import { EINVAL, type Machine, ONLINE_TYPES, type PfnRange } from '@mm-lab/mm-core';
import type {
  NodePrivate,
  NodePrivateInfo,
  NodePrivateOps,
  PrivateHotplug,
} from '@mm-lab/node-private';
import type { Callbacks } from './callbacks.js';
import type { Words } from './words.js';

const PAGES_PER_MB = 256;

/** Which np a command names: the driver has two for each node, and NULL. */
const NP_NULL = 2;

/** Commands that plug memory, register nodes and set their ops. */
export class MemoryCommands {
  private readonly infos = new Map<string, NodePrivateInfo>();
  private readonly opsByNode = new Map<number, NodePrivateOps>();
  private readonly strangerOps: NodePrivateOps = { flags: 0 };

  constructor(
    private readonly machine: Machine,
    private readonly nodePrivate: NodePrivate,
    private readonly hotplug: PrivateHotplug,
    private readonly callbacks: Callbacks,
  ) {}

  add(words: Words): number {
    const onlineType = ONLINE_TYPES[words.int(4, 1)] ?? 'online';
    const nid = words.int(1);
    const range = { ...rangeOf(words), onlineType };
    return this.hotplug.add_private_range(nid, this.infoOf(nid, words.int(5)), range);
  }

  remove(words: Words): number {
    return this.hotplug.offline_and_remove_private_range(words.int(1), rangeOf(words));
  }

  /** Driver-managed memory of the ordinary kind, online. */
  addPlain(words: Words): number {
    const nid = words.int(1);
    const range = rangeOf(words);
    const { blocks, nodes } = this.machine;
    if (!nodes.exists(nid)) return -EINVAL;
    const rc = blocks.add(nid, range);
    if (rc < 0) return rc;
    for (const block of blocks.within(nid, range)) blocks.setState(block, 'online');
    return 0;
  }

  removePlain(words: Words): number {
    const nid = words.int(1);
    const range = rangeOf(words);
    const { blocks } = this.machine;
    for (const block of blocks.within(nid, range)) {
      const rc = block.online ? blocks.setState(block, 'offline') : 0;
      if (rc < 0) return rc;
    }
    return blocks.remove(nid, range);
  }

  register(words: Words): number {
    const nid = words.int(1);
    return this.nodePrivate.node_private_register(nid, this.infoOf(nid, words.int(2)));
  }

  unregister(words: Words): number {
    return this.nodePrivate.node_private_unregister(words.int(1));
  }

  setOps(words: Words): number {
    const nid = words.int(1);
    const ops = this.callbacks.opsOf(words.int(2), words.int(3));
    const rc = this.nodePrivate.node_private_set_ops(nid, ops);
    if (rc === 0) this.opsByNode.set(nid, ops);
    return rc;
  }

  setNoOps(words: Words): number {
    return this.nodePrivate.node_private_set_ops(words.int(1), null);
  }

  clearOps(words: Words): number {
    const ops = this.opsByNode.get(words.int(1)) ?? this.strangerOps;
    return this.nodePrivate.node_private_clear_ops(words.int(1), ops);
  }

  clearStrangerOps(words: Words): number {
    return this.nodePrivate.node_private_clear_ops(words.int(1), this.strangerOps);
  }

  private infoOf(nid: number, which: number): NodePrivateInfo | null {
    if (which === NP_NULL) return null;
    const name = `privtest ${nid} ${which}`;
    const known = this.infos.get(name) ?? { name };
    this.infos.set(name, known);
    return known;
  }
}

function rangeOf(words: Words): PfnRange {
  return { base: words.int(2) * PAGES_PER_MB, pages: words.int(3) * PAGES_PER_MB };
}
