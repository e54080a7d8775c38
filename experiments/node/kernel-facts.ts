/**
 * What a kernel with the series did, read from the records of conformance/, in the words of the
 * column `kernel` of docs/discussion.md. A cell whose case is not among the records says so.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A cell of the column `kernel`. */
export interface KernelFact {
  readonly cell: string;
  /** The case that shows it; null: the summary of the findings says it and names no case. */
  readonly case: string | null;
  readonly isRecorded: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const RECORDS = new Map<string, readonly Fields[]>(
  readRecords().map((record) => [String(record.id).replace('private-', ''), stepsOf(record)]),
);

/** The facts of each experiment, in the order of its rows. */
export function kernelFacts(): Readonly<Record<string, readonly KernelFact[]>> {
  return {
    '06-hotplug-slab': [
      read('gate-alloc', (at) => (at(3).includes('n0=64') ? 'DRAM' : at(3))),
      read('gate-alloc', (at) => (at(6) === 'fail=9' ? 'fails' : at(6))),
    ],
    '07-only-my-private-node': [
      read('gate-overflow', (at) => kinds(at(3))),
      read('gate-overflow', (at) => kinds(at(9))),
      read('gate-overflow', (at) => kinds(at(6))),
      read('gate-alloc', (at) => kinds(at(15))),
      read('gate-alloc', (at) => kinds(at(21))),
    ],
    '08-two-private-nodes': [
      finding(null, 'C full, D empty, killed'),
      read('mempolicy-two', (at) => (walk(at(19)).size === 2 ? 'C and D' : at(19))),
    ],
    '09-mixed-mask': [7, 32, 12, 17, 37, 42, 47].map((step) =>
      read('mempolicy', (at) => String((walk(at(step)).get('1') ?? 0) / 16)),
    ),
    '33-memcg-terminal-tier': [
      finding('cram-memcg-reclaim', 'EAGAIN, 0 reclaimed'),
      read('cram-memcg-max', (_, all) => {
        return `${number(all, 17, 'pswpout')} reclaimed, ${number(all, 17, 'oom_kill')} kill`;
      }),
      read('cram-press-1000', (at) => `${/used=(\d+)/.exec(at(22))?.[1]} left`),
    ],
    '35-longterm-pin': [
      read('noops-pin', (at, all) => `${all[9]?.errno}, ${place(at(11))}`),
      read('cram-pin', (at, all) => `${pinned(all, 14)}, ${place(at(16))}`),
      read('pin-flag', (at, all) => `${pinned(all, 5)}, ${place(at(7))}`),
      finding(null, 'pinned, private'),
    ],
    '36-hot-unplug': [
      read('noops-free', (at, all) => gone(all, 14, at(16))),
      finding(null, 'stuck'),
      read('cram-teardown-remove-first', (at, all) => gone(all, 15, at(17))),
    ],
    '37-cpusets': [
      read('mempolicy-cpuset', (_, all) => String(all[7]?.errno)),
      read('mempolicy-cpuset', (at, all) => `${all[9]?.ret}, pages on ${place(at(12))}`),
      read('mempolicy-cpuset', (at, all) => {
        // Node 1 of the record is node 2 of the experiment.
        return `${all[14]?.ret}, effective ${at(15) === '1' ? 2 : at(15)}`;
      }),
      read('mempolicy-cpuset', (at) => (place(at(20)) === 'DRAM' ? 'on node 0' : at(20))),
      finding('zz-cpuset-attach', '0, pages on private'),
      finding('zz-cpuset-attach', 'on node 0'),
    ],
    '45-teardown-order': [
      finding('cram-teardown-ops-first', 'stuck, stores land on the device, 1 fault each'),
      finding('cram-teardown-ops-first', 'gone'),
      read('cram-teardown-remove-first', (at, all) => {
        const stores = place(at(19)) === 'DRAM' ? ', stores land in DRAM' : at(19);
        return `${gone(all, 15, at(17))}${stores}${at(24) === '512' ? ', WARN' : ''}`;
      }),
    ],
    '46-two-services': [
      read('cram-over-ops', (_, all) => String(all[6]?.ret)),
      finding(null, '0, flags of the second'),
      read('cram-over-ops', (at, all) => {
        const flags = at(9).includes('flags=0x3 ') ? ', flags of the second' : at(9);
        return `${all[7]?.ret}${at(10) === '512' ? ', WARN' : ''}${flags}`;
      }),
    ],
  };
}

/** Is there a record of the case? */
export function isRecorded(id: string): boolean {
  return RECORDS.has(id);
}

type Value = (step: number) => string;

function read(id: string, say: (value: Value, results: readonly Fields[]) => string): KernelFact {
  const results = RECORDS.get(id);
  if (results === undefined) throw new Error(`no record of the case ${id}`);
  const cell = say((step) => String(results[step]?.value), results);
  return { cell, case: id, isRecorded: true };
}

function finding(id: string | null, cell: string): KernelFact {
  return { cell, case: id, isRecorded: false };
}

/** Of `n0=7134 n1=62866 fail=0`: which kinds of nodes gave pages. */
function kinds(text: string): string {
  const from = [...text.matchAll(/n(\d)=/g)].map(([, nid]) => nid);
  const found = [from.includes('1') ? 'C' : '', from.includes('0') ? 'ordinary' : ''];
  return found.filter((kind) => kind !== '').join(', ') || 'none';
}

/** Of `1w*4,0w*12`: pages by node. */
function walk(text: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [, nid = '', pages] of text.matchAll(/(\d)[wrn]\w*\*(\d+)/g)) {
    found.set(nid, (found.get(nid) ?? 0) + Number(pages));
  }
  return found;
}

/** Node of the first page. */
function place(text: string): string {
  return text.startsWith('1') ? 'private' : 'DRAM';
}

function pinned(all: readonly Fields[], step: number): string {
  return all[step]?.ret === 0 ? 'pinned' : String(all[step]?.errno);
}

function gone(all: readonly Fields[], step: number, info: string): string {
  return all[step]?.ret === 0 && info.includes('np=0') ? 'gone' : 'stuck';
}

function number(all: readonly Fields[], step: number, field: string): number {
  return Number(all[step]?.[field]);
}

function readRecords(): readonly Fields[] {
  const at = '../../conformance/cases/kernel-records/records/rfc-v4/private.json';
  const parsed: unknown = JSON.parse(
    readFileSync(fileURLToPath(new URL(at, import.meta.url)), 'utf8'),
  );
  return Array.isArray(parsed) ? parsed.filter(isFields) : [];
}

function stepsOf(record: Fields): readonly Fields[] {
  const { steps } = record;
  if (!Array.isArray(steps)) return [];
  return steps.filter(isFields).map(({ result }) => (isFields(result) ? result : {}));
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}
