import { EINVAL } from '../abi/errno.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { inject, injectable } from '../base/di.js';
import type { Cgroup } from '../mem/cgroup.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type CgroupTree, CgroupTreeToken } from '../mm/cgroup.js';
import { type MemcgStat, MemcgStatToken } from '../mm/memcg-stat.js';
import { type Memcontrol, MemcontrolToken } from '../mm/memcontrol.js';
import { memparse, type UserReclaim, UserReclaimToken } from '../mm/user-reclaim.js';
import { CGROUP_FOLDER, type CgroupFileMaker, cgroupFiles } from './cgroup-files.js';
import { type PseudoFile, parseNumber, textFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';
import { type Writer, WriterToken } from './writer.js';

/** The files of the memory controller (mm/memcontrol.c:memory_files, swap_files). */
@injectable()
export class MemcgFiles implements PseudoFileSource {
  constructor(
    @inject(CgroupTreeToken) private readonly tree: CgroupTree,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(MemcontrolToken) private readonly memcontrol: Memcontrol,
    @inject(MemcgStatToken) private readonly memcgStat: MemcgStat,
    @inject(UserReclaimToken) private readonly userReclaim: UserReclaim,
    @inject(WriterToken) private readonly writer: Writer,
  ) {}

  addTo(files: PseudoFiles): void {
    const everywhere = {
      'memory.stat': this.file((memcg) => textFile(() => this.memcgStat.stat(memcg))),
      'memory.numa_stat': this.file((memcg) => textFile(() => this.memcgStat.numaStat(memcg))),
      'memory.reclaim': this.file((memcg) => this.reclaimFile(memcg)),
    };
    const below = {
      ...this.gauges(),
      ...this.limits(),
      ...this.events(),
      ...this.swap(),
      ...this.zswap(),
    };
    const makers: Record<string, CgroupFileMaker> = { ...everywhere };
    for (const [name, make] of Object.entries(below)) {
      makers[name] = (group) => (group.parent === null ? null : make(group));
    }
    files.addFolder(CGROUP_FOLDER, cgroupFiles(this.tree, 'memory', makers));
  }

  /** What a file cannot do says -EINVAL (cgroup_file_write, cgroup_seqfile_show). */
  private file(make: (memcg: MemCgroup) => PseudoFile): CgroupFileMaker {
    const neither = { read: () => -EINVAL, write: () => -EINVAL };
    return (group: Cgroup) => ({ ...neither, ...make(this.memcgs.ofGroup(group)) });
  }

  private gauges(): Record<string, CgroupFileMaker> {
    const bytes = (pages: (memcg: MemCgroup) => number): CgroupFileMaker =>
      this.file((memcg) => textFile(() => String(pages(memcg) * PAGE_SIZE)));
    return {
      'memory.current': bytes((memcg) => memcg.memory.usage),
      'memory.peak': bytes((memcg) => memcg.memory.watermark),
      'memory.swap.current': bytes((memcg) => memcg.swap.usage),
      'memory.swap.peak': bytes((memcg) => memcg.swap.watermark),
    };
  }

  private limits(): Record<string, CgroupFileMaker> {
    const { memcontrol } = this;
    const limit = (
      get: (memcg: MemCgroup) => number,
      set: (memcg: MemCgroup, pages: number) => void,
    ): CgroupFileMaker => this.file((memcg) => this.limitFile(memcg, get, set));
    return {
      'memory.min': limit(
        ({ memory }) => memory.min,
        ({ memory }, pages) => {
          memory.min = pages;
        },
      ),
      'memory.low': limit(
        ({ memory }) => memory.low,
        ({ memory }, pages) => {
          memory.low = pages;
        },
      ),
      'memory.high': limit(
        ({ memory }) => memory.high,
        (memcg, pages) => memcontrol.setHigh(memcg, pages),
      ),
      'memory.max': limit(
        ({ memory }) => memory.max,
        (memcg, pages) => memcontrol.setMax(memcg, pages),
      ),
      'memory.oom.group': this.file((memcg) => oomGroupFile(memcg)),
    };
  }

  private events(): Record<string, CgroupFileMaker> {
    const list = (of: (memcg: MemCgroup) => object): CgroupFileMaker =>
      this.file((memcg) => textFile(() => lines(of(memcg))));
    return {
      'memory.events': list((memcg) => memcg.events),
      'memory.events.local': list((memcg) => memcg.eventsLocal),
      'memory.swap.events': list((memcg) => memcg.swapEvents),
    };
  }

  private swap(): Record<string, CgroupFileMaker> {
    return {
      'memory.swap.high': this.file((memcg) =>
        this.limitFile(
          memcg,
          ({ swap }) => swap.high,
          ({ swap }, pages) => {
            swap.high = pages;
          },
        ),
      ),
      'memory.swap.max': this.file((memcg) =>
        this.limitFile(
          memcg,
          ({ swap }) => swap.max,
          ({ swap }, pages) => {
            swap.max = pages;
          },
        ),
      ),
    };
  }

  /** zswap_files. */
  private zswap(): Record<string, CgroupFileMaker> {
    return {
      'memory.zswap.current': this.file((memcg) =>
        textFile(() => String(memcg.zswapTotal().bytes)),
      ),
      'memory.zswap.max': this.file((memcg) =>
        this.limitFile(
          memcg,
          ({ zswap }) => zswap.max,
          (of, pages) => {
            of.zswap.max = pages;
          },
        ),
      ),
      'memory.zswap.writeback': this.file((memcg) => writebackFile(memcg)),
    };
  }

  private limitFile(
    memcg: MemCgroup,
    get: (memcg: MemCgroup) => number,
    set: (memcg: MemCgroup, pages: number) => void,
  ): PseudoFile {
    return {
      read: () => (get(memcg) === Infinity ? 'max' : String(get(memcg) * PAGE_SIZE)),
      write: (text, task) => {
        const pages = parsePages(text);
        if (pages === null) return -EINVAL;
        return this.writer.run(task, () => {
          set(memcg, pages);
          return 0;
        });
      },
    };
  }

  private reclaimFile(memcg: MemCgroup): PseudoFile {
    return {
      write: (text, task) => this.writer.run(task, () => this.userReclaim.ofGroup(memcg, text)),
    };
  }
}

function writebackFile({ zswap }: MemCgroup): PseudoFile {
  return {
    read: () => (zswap.writeback ? '1' : '0'),
    write: (text) => {
      const value = parseNumber(text);
      if (value !== 0 && value !== 1) return -EINVAL;
      zswap.writeback = value === 1;
      return 0;
    },
  };
}

function oomGroupFile(memcg: MemCgroup): PseudoFile {
  return {
    read: () => (memcg.oomGroup ? '1' : '0'),
    write: (text) => {
      const value = parseNumber(text);
      if (value !== 0 && value !== 1) return -EINVAL;
      memcg.oomGroup = value === 1;
      return 0;
    },
  };
}

/** Bytes with a suffix, or `max`, in pages (page_counter_memparse); null for other text. */
function parsePages(text: string): number | null {
  const word = text.trim();
  if (word === 'max') return Infinity;
  const { bytes, rest } = memparse(word);
  return rest === '' ? Math.floor(bytes / PAGE_SIZE) : null;
}

function lines(counts: object): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${String(count)}`)
    .join('\n');
}
