import { type Machine, type OpenFile, PAGE_SIZE, PTRS_PER_PTE } from '@mm-lab/mm-core';
import { Guest, type GuestTask } from '../guest.js';
import type { Json } from '../json.js';
import { StepError } from '../step.js';
import type { WordData } from '../word-data.js';

/**
 * lcm(1..8) * 512 pages: every set of up to 8 nodes starts anew at a mapping's first page, and at
 * its first huge page.
 */
const MAPPING_STRIDE_PAGES = 53_760 * 8;
/** Strides below the first mapping. */
const FIRST_STRIDE = 128;
/** An address that nothing is ever mapped at. */
const BAD_ADDRESS = 2 ** 46;
/** The largest address there is, as near as a double gets to it: not aligned, and too large. */
const MINUS_ONE = 2 ** 64 - 2048;

/** A process and a byte in it. */
export interface Place {
  readonly task: GuestTask;
  readonly addr: number;
}

/** What a case has made so far: processes, mappings, files, remembered frames. */
export class CaseWorld {
  readonly guest: Guest;
  readonly files = new Map<string, OpenFile>();
  /** Frames by name of the snapshot. */
  readonly snaps = new Map<string, readonly number[]>();
  private mappings = 0;

  constructor(
    readonly machine: Machine,
    readonly words: WordData,
  ) {
    this.guest = new Guest(machine, words);
    this.guest.spawn('P');
  }

  /** The process of a step; `P` unless it says otherwise. @throws StepError */
  task(name: Json | undefined): GuestTask {
    const wanted = typeof name === 'string' ? name : 'P';
    const task = this.guest.find(wanted);
    if (task === undefined) throw new StepError(`no process ${wanted}`);
    return task;
  }

  /** Start of a new mapping that nobody chose an address for. */
  nextAddress(pages: number): number {
    const first = 1 + this.mappings;
    this.mappings += 1 + Math.ceil(pages / MAPPING_STRIDE_PAGES);
    return (FIRST_STRIDE + first) * MAPPING_STRIDE_PAGES * PAGE_SIZE;
  }

  /** An address of a call: `A+3p`, `NULL`, `BAD`, `MINUS1` or a number. @throws StepError */
  address(text: Json | undefined, task: GuestTask): number {
    if (typeof text === 'number') return text;
    if (typeof text !== 'string') throw new StepError(`no address in ${JSON.stringify(text)}`);
    if (text === 'NULL') return 0;
    if (text === 'BAD') return BAD_ADDRESS;
    if (text === 'MINUS1') return MINUS_ONE;
    const name = /^[A-Za-z_]\w*/.exec(text)?.[0] ?? '';
    const region = task.region(name);
    if (region === undefined) throw new StepError(`no mapping ${name} in ${text}`);
    return region.addr + offsetOf(text.slice(name.length), text);
  }

  /** An address of a check, with the process in front: `C:A+3p`. @throws StepError */
  place(text: Json | undefined): Place {
    const parts = typeof text === 'string' ? /^(\w+):(.*)$/.exec(text) : null;
    const task = this.task(parts?.[1] ?? undefined);
    return { task, addr: this.address(parts?.[2] ?? text, task) };
  }

  /** @throws StepError */
  file(name: Json | undefined): OpenFile {
    const file = typeof name === 'string' ? this.files.get(name) : undefined;
    if (file === undefined) throw new StepError(`no file ${JSON.stringify(name)}`);
    return file;
  }
}

const UNITS: Readonly<Record<string, number>> = {
  p: PAGE_SIZE,
  h: PTRS_PER_PTE * PAGE_SIZE,
  b: 1,
};

/** Sum of `+3p`, `-1b`, `+1h` … in bytes. @throws StepError */
function offsetOf(text: string, whole: string): number {
  let sum = 0;
  let rest = text;
  while (rest !== '') {
    const part = /^([+-])(\d+)([phb])/.exec(rest);
    if (part === null) throw new StepError(`can't read address ${whole}`);
    const unit = UNITS[part[3] ?? 'b'] ?? 1;
    sum += (part[1] === '-' ? -1 : 1) * Number(part[2]) * unit;
    rest = rest.slice(part[0].length);
  }
  return sum;
}
