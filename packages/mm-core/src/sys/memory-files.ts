import { EINVAL } from '../abi/errno.js';
import { PAGE_SIZE, ZONE_MOVABLE, ZONE_NAMES } from '../abi/zone.js';
import { inject, injectable } from '../base/di.js';
import { nodeList, nodemask } from '../mem/nodemask.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import {
  MEMORY_BLOCK_PAGES,
  type MemoryBlock,
  type MemoryBlocks,
  MemoryBlocksToken,
  ONLINE_TYPES,
} from '../mm/memory-block.js';
import { type MemoryTiers, MemoryTiersToken } from '../mm/memory-tiers.js';

import { type PseudoFile, textFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const FOLDER = '/sys/devices/system/memory';
const TIERS = '/sys/devices/virtual/memory_tiering';

/** Memory blocks and tiers (drivers/base/memory.c, mm/memory-tiers.c:memory_tier_dev_groups). */
@injectable()
export class MemoryFiles implements PseudoFileSource {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(MemoryBlocksToken) private readonly blocks: MemoryBlocks,
    @inject(MemoryTiersToken) private readonly tiers: MemoryTiers,
  ) {}

  addTo(files: PseudoFiles): void {
    files.add(
      `${FOLDER}/block_size_bytes`,
      textFile(() => (MEMORY_BLOCK_PAGES * PAGE_SIZE).toString(16)),
    );
    files.add(`${FOLDER}/auto_online_blocks`, this.autoOnlineFile());
    files.addFolder(FOLDER, (name) => this.blockFile(name));
    files.addFolder(TIERS, (name) => {
      const number = Number(/^memory_tier(\d+)\/nodelist$/.exec(name)?.[1] ?? -1);
      const tier = this.tiers.tiers().find((other) => other.tier === number);
      return tier === undefined ? null : textFile(() => nodeList(nodemask(tier.nodes)));
    });
  }

  /** What happens to memory that is added; nothing is added here (auto_online_blocks_store). */
  private autoOnlineFile(): PseudoFile {
    const { blocks } = this;
    return {
      read: () => blocks.autoOnline,
      write: (text) => {
        const word = ONLINE_TYPES.find((known) => known === text.trim());
        if (word === undefined) return -EINVAL;
        blocks.autoOnline = word;
        return 0;
      },
    };
  }

  private blockFile(name: string): PseudoFile | null {
    const [, id, file] = /^memory(\d+)\/(\w+)$/.exec(name) ?? [];
    const block = this.find(Number(id ?? -1));
    if (block === undefined) return null;
    if (file === 'removable') return textFile(() => '1');
    if (file === 'valid_zones') return textFile(() => this.validZones(block));
    if (file !== 'state') return null;
    return {
      read: () => (block.online ? 'online' : 'offline'),
      write: (text) => this.blocks.setState(block, text.trim()),
    };
  }

  private find(id: number): MemoryBlock | undefined {
    for (const { nid } of this.nodes.all()) {
      const found = this.blocks.of(nid).find((block) => block.id === id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The zone that it is in, or those it may come online to, the default first. */
  private validZones(block: MemoryBlock): string {
    if (block.online) return block.zone?.name ?? 'none';
    const types = ['online', 'online_kernel', 'online_movable'].map((word) =>
      this.blocks.zoneType(block, word),
    );
    const [first = ZONE_MOVABLE] = types;
    return [...new Set([first, ...types])].map((type) => ZONE_NAMES[type] ?? '').join(' ');
  }
}
