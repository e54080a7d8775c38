import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  FileRaState,
  type Machine,
  PROT_READ,
  PROT_WRITE,
  type Task,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_SHARED,
  vmFlags,
} from '../../src/index.js';
import { machineOf } from '../machine-of.js';

/** How it was recorded, and what a step means, stands at the head of the file. */
const RECORD = readFileSync(join(import.meta.dirname, 'readahead-recorded.txt'), 'utf8');

interface Case {
  readonly name: string;
  readonly file: string;
  readonly steps: readonly string[];
  /** Lines of the record. */
  readonly found: readonly string[];
}

function casesOf(text: string): Case[] {
  return text
    .split(/^> /m)
    .slice(1)
    .map((part) => {
      const [head = '', ...found] = part.trimEnd().split('\n');
      const [name = '', file = '', ...steps] = head.split(' ');
      return { name, file, steps, found };
    });
}

interface Step {
  readonly who: number;
  readonly what: string;
  readonly numbers: readonly number[];
}

function stepOf(text: string): Step {
  return {
    who: Number(text[0]),
    what: text[1] ?? '',
    numbers: text.slice(2).split(',').map(Number),
  };
}

function* through(from: number, to: number, step: number): Iterable<number> {
  for (let at = from; step > 0 ? at <= to : at >= to; at += step) yield at;
}

/** A cold file, and a program that maps and reads it. */
class Program {
  private readonly machine: Machine = machineOf({ nodes: [{ id: 0, pages: 16_384, cpus: 1 }] });
  private readonly task: Task = this.machine.createTask('t');
  private readonly file;
  private readonly opened: FileRaState[] = [];

  constructor(pages: number) {
    const { files, filemap, truncate } = this.machine;
    this.file = files.create('regular', 'f', pages * 4096);
    for (let index = 0; index < pages; index++) filemap.write(this.file, index, 0);
    filemap.sync(this.file);
    truncate.dropClean();
  }

  /** @returns the line of the record, or null of a step that has none */
  run(text: string): string | null {
    const before = new Set(this.file.pages.keys());
    const majors = this.task.struct.majFlt;
    if (!this.play(stepOf(text))) return null;
    const fresh = [...this.file.pages.keys()].filter((index) => !before.has(index));
    return `${text} ${this.task.struct.majFlt - majors} ${rangesOf(fresh)}`;
  }

  verify(): void {
    this.machine.verify();
  }

  private play({ who, what, numbers }: Step): boolean {
    const [first = 0, second = 0, third = 0, fourth = 0] = numbers;
    const { filemap, files } = this.machine;
    const map = 20_480 * (1 + who);
    switch (what) {
      case 'k':
        files.disk.raPages = first / 4;
        return false;
      case 'o':
        this.opened[who] = new FileRaState(files.disk);
        return false;
      case 'm':
        this.map(map, { fd: first, pgoff: second, pages: third, prot: fourth });
        return false;
      case 'a':
        this.task.madvise(map + second, third, first);
        return true;
      case 't':
        return this.task.read(map + first) === 'ok';
      case 'w':
        return this.task.write(map + first) === 'ok';
      case 's':
        for (const index of through(first, second, third)) this.task.read(map + index);
        return true;
      case 'r':
        this.read(who, first, second);
        return true;
      case 'q':
        for (const index of through(first, second, third)) this.read(who, index, third);
        return true;
      default:
        for (let at = 0; at < second; at++) filemap.write(this.file, first + at, 0);
        return true;
    }
  }

  private map(at: number, how: { fd: number; pgoff: number; pages: number; prot: number }): void {
    const { machine, task, file, opened } = this;
    const prot = vmFlags(how.prot === 0 ? PROT_READ | PROT_WRITE : how.prot);
    const flags = prot | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_SHARED;
    const ra = opened[how.fd] ?? null;
    machine.mmap.mmap(task.mm, at, how.pages, flags, { file, pgoff: how.pgoff, ra });
  }

  private read(fd: number, index: number, pages: number): void {
    const ra = this.opened[fd] ?? this.file.ra;
    expect(this.machine.filemap.read(this.file, index, 0, { pages, ra })).toBeGreaterThan(0);
  }
}

function rangesOf(indices: readonly number[]): string {
  const all = new Set(indices);
  const sorted = [...all].sort((a, b) => a - b);
  const ends = sorted.filter((index) => !all.has(index + 1));
  const starts = sorted.filter((index) => !all.has(index - 1));
  const ranges = starts.map((start, at) => (start === ends[at] ? start : `${start}-${ends[at]}`));
  return ranges.join(' ') || '-';
}

test.each(casesOf(RECORD))('readahead is that of 7.3.4: $name', ({ file, steps, found }) => {
  const program = new Program(file === 'a' ? 1000 : 8000);
  expect(steps.map((step) => program.run(step)).filter((line) => line !== null)).toEqual(found);
  program.verify();
});
