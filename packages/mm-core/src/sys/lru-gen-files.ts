import { EINVAL } from '../abi/errno.js';
import { N_MEMORY } from '../abi/node-states.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { inject, injectable } from '../base/di.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { ANON_AND_FILE, genOf, type Lruvec } from '../mem/lruvec.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { evictableMinSeq } from '../mm/lru-gen-aging.js';
import { type LruGenDebug, LruGenDebugToken } from '../mm/lru-gen-debug.js';
import { MAX_SWAPPINESS, SWAPPINESS_ANON_ONLY } from '../mm/scan-control.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';
import { type Writer, WriterToken } from './writer.js';

const NS_PER_MS = 1_000_000;
const WIDTH = 10;
/** A command, group, node and generation, then swappiness and a number of pages. */
const COMMAND = /^(\S)\s*(\d+)\s+(\d+)\s+(\d+)(?:\s+(\w{1,4}))?(?:\s+(\d+))?\s*$/;

/** What a line asks for. */
interface Command {
  readonly verb: string;
  readonly memcg: MemCgroup;
  readonly nid: number;
  readonly seq: number;
  /** Null: as it is set. */
  readonly swappiness: number | null;
  readonly pages: number;
}

/**
 * /sys/kernel/debug/lru_gen: ages of generations, and aging and eviction by command, for working
 * sets and proactive reclaim (mm/vmscan.c:lru_gen_seq_show, lru_gen_seq_write). Simplified: no
 * lru_gen_full; the first generations of a group are as old as the machine.
 */
@injectable()
export class LruGenFiles implements PseudoFileSource {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(LruGenDebugToken) private readonly lruGen: LruGenDebug,
    @inject(ClockToken) private readonly clock: Clock,
    @inject(WriterToken) private readonly writer: Writer,
  ) {}

  addTo(files: PseudoFiles): void {
    files.add('/sys/kernel/debug/lru_gen', {
      read: () => this.show(),
      write: (text, task) => this.writer.run(task, () => this.runAll(text)),
    });
  }

  private show(): string {
    const nids = this.nodes.inState(N_MEMORY);
    const lines: string[] = [];
    for (const memcg of this.memcgs.below(this.memcgs.root)) {
      lines.push(`memcg ${memcg.group.id} /${memcg.group.path}`);
      for (const nid of nids) {
        lines.push(` node ${String(nid).padStart(5)}`);
        lines.push(...this.generations(this.lru.lruvec(memcg.id, nid)));
      }
    }
    return lines.join('\n');
  }

  /** Oldest first: number, age in milliseconds, anonymous and file pages. */
  private generations(lruvec: Lruvec): string[] {
    const lines: string[] = [];
    for (let seq = evictableMinSeq(lruvec, MAX_SWAPPINESS / 2); seq <= lruvec.maxSeq; seq++) {
      const gen = genOf(seq);
      const ageMs = Math.floor((this.clock.now - lruvec.births[gen]!) / NS_PER_MS);
      const sizes = Array.from({ length: ANON_AND_FILE }, (_, type) => {
        return `${String(lruvec.genPages[gen * ANON_AND_FILE + type]!).padStart(WIDTH)} `;
      });
      const [number, age] = [seq, ageMs].map((value) => String(value).padStart(WIDTH));
      lines.push(` ${number} ${age} ${sizes.join(' ')}`);
    }
    return lines;
  }

  /** Commands one after the other, until one fails. */
  private runAll(text: string): number {
    for (const line of text.split(/[,;\n]/).map((part) => part.trimStart())) {
      if (line === '') continue;
      const command = this.parse(line);
      const rc = command === null ? -EINVAL : this.run(command);
      if (rc < 0) return rc;
    }
    return 0;
  }

  /** run_cmd. */
  private run({ verb, memcg, nid, seq, swappiness, pages }: Command): number {
    const lruvec = this.lru.lruvec(memcg.id, nid);
    const wish = { seq, swappiness, pages };
    if (verb === '+') return this.lruGen.runAging(lruvec, wish);
    return verb === '-' ? this.lruGen.runEviction(lruvec, wish) : -EINVAL;
  }

  private parse(line: string): Command | null {
    const [, verb = '', id, node, seq, word, count] = COMMAND.exec(line) ?? [];
    const nid = Number(node);
    const memcg = this.memcgs.below(this.memcgs.root).find(({ group }) => group.id === Number(id));
    if (memcg === undefined || !this.nodes.inState(N_MEMORY).includes(nid)) return null;
    const swappiness = word === undefined ? null : parseSwappiness(word);
    if (swappiness !== null && !(swappiness <= SWAPPINESS_ANON_ONLY)) return null;
    const pages = count === undefined ? Number.POSITIVE_INFINITY : Number(count);
    return { verb, memcg, nid, seq: Number(seq), swappiness, pages };
  }
}

function parseSwappiness(word: string): number {
  return word === 'max' ? SWAPPINESS_ANON_ONLY : Number(word);
}
