// Writes cases of random system calls with odd arguments, to be recorded and held against a model.
//   node random-calls.mjs <folder> [--seed 1] [--count 200] [--machine dual]
//   CASES_DIR=<folder>/cases RECORDS_DIR=<folder>/records node run.mjs --kernel 7.3.4 --boots 2
//   mm-lab conform <folder>
// Arguments stay where the recorder can bear them: nothing reaches its own memory, no masks longer
// than it has room for, no poison, and a region's length is one that can be touched.
import fs from 'node:fs';
import path from 'node:path';
import { machines, option } from './paths.mjs';

const PAGE = 4096;
const HUGE_PAGES = 512;
const ODD_ADDRESSES = [1, 8, 2048, 4095, -1, -PAGE, PAGE, 1 << 30, -(2 ** 40), 2 ** 46, -(2 ** 41)];
const ODD_LENGTHS = [0, 1, 4095, 4097, 10_000, -1, -PAGE, -PAGE + 1, -8192, 2 ** 46];
const TOO_LONG = 2 ** 62;
const ADVICE = [
  ...['NORMAL', 'RANDOM', 'SEQUENTIAL', 'WILLNEED', 'DONTNEED', 'FREE', 'REMOVE', 'DONTFORK'],
  ...['DOFORK', 'MERGEABLE', 'UNMERGEABLE', 'HUGEPAGE', 'NOHUGEPAGE', 'DONTDUMP', 'DODUMP'],
  ...['WIPEONFORK', 'KEEPONFORK', 'COLD', 'PAGEOUT', 'POPULATE_READ', 'POPULATE_WRITE'],
  ...['DONTNEED_LOCKED', 'COLLAPSE', 'GUARD_INSTALL', 'GUARD_REMOVE'],
];
const ODD_ADVICE = [5, 7, 26, 99, 104, -1, 1 << 20];
const MODES = [
  ...['DEFAULT', 'PREFERRED', 'BIND', 'INTERLEAVE', 'LOCAL', 'PREFERRED_MANY'],
  ...['WEIGHTED_INTERLEAVE', 7, 8, -1, 255],
];
const MODE_FLAGS = ['STATIC_NODES', 'RELATIVE_NODES', 'NUMA_BALANCING'];
const MAP_FLAGS = [
  ...['private anon', 'private anon', 'private anon', 'shared anon', 'private anon populate'],
  ...['private anon locked', 'droppable anon', 'private anon noreserve', 'private anon growsdown'],
  'shared anon locked',
].map((flags) => flags.split(' '));
const BAD_MAP_FLAGS = [
  ['private'],
  ['anon'],
  [],
  ['private', 'shared', 'anon'],
  ['droppable', 'anon', 'locked'],
];
const PROTS = ['rw', 'rw', 'rw', 'r', 'w', 'none', 'x', 'rx', 'rwx'];

const [folder] = process.argv.slice(2);
const machine = option('machine', 'dual');
const count = Number(option('count', 200));
const seed = Number(option('seed', 1));
if (folder === undefined || folder.startsWith('--')) refuse('a folder for the cases is needed');
if (machines[machine] === undefined) {
  refuse(`there is no machine ${machine}, but ${Object.keys(machines).join(', ')}`);
}
if (!(Number.isInteger(count) && count > 0) || !Number.isInteger(seed))
  refuse('--count and --seed are whole numbers');
const nodes = machines[machine].nodes.length;
const random = randomOf(seed);

function programOf(id) {
  const tasks = [{ name: 'p0', regions: [] }];
  const steps = [];
  for (let left = 1 + below(3); left > 0; left--) steps.push(mapping(tasks[0]));
  for (let left = 4 + below(10); left > 0; left--) {
    const task = pick(tasks);
    if (task.regions.length === 0) continue;
    const step = pick(CALLS)(task, tasks);
    steps.push(step, ...(chance(0.3) ? [viewOf(task, pick(task.regions))] : []));
  }
  for (const task of tasks) {
    for (const region of task.regions) steps.push(...viewsOf(task, region));
  }
  return { id, family: 'calls', machine, doc: 'random system calls with odd arguments', steps };
}

const CALLS = [
  ...weigh(3, (task) => mapping(task)),
  (task) => step(task, 'mmap', { as: 'Z', len_bytes: pick([0, -1, -PAGE, 2 ** 47, 2 ** 48]) }),
  (task) => over(task),
  ...weigh(5, (task) =>
    step(task, 'touch', { ...range(task), access: pick(['r', 'w']), value: 9 }),
  ),
  ...weigh(2, (task) => step(task, 'munmap', oddRange(task))),
  ...weigh(3, (task) => mremap(task)),
  ...weigh(4, (task) => step(task, 'mprotect', { ...oddRange(task), prot: pick(PROTS) })),
  ...weigh(6, (task) => advise(task)),
  ...weigh(3, (task) => lock(task)),
  ...weigh(4, (task) => mbind(task)),
  ...weigh(2, (task) => step(task, 'set_mempolicy', policy())),
  ...weigh(3, (task) => getMempolicy(task)),
  ...weigh(2, (task) => homeNode(task)),
  ...weigh(4, (task, tasks) => movePages(task, tasks)),
  (task, tasks) => migratePages(task, tasks),
  (task) => step(task, 'msync', { ...oddRange(task), how: pick([0, 1, 2, 3, 4, 5, 6, 7, 8]) }),
  (task) => step(task, 'mincore', oddRange(task, [0, 1, 4095, 4097, -1, -PAGE])),
  (task, tasks) => processMadvise(task, tasks),
  ...weigh(4, (task) => userfaultfd(task)),
  (task) => step(task, 'longterm_pin', chance(0.3) ? { unpin: 1 } : oddRange(task, [0, 1, 4097])),
  (task) => dropCaps(task),
  (task) => limit(task),
  (task) => step(task, 'pin_cpu', { cpu: pick([0, 1, 1, 9]) }),
  (task) => step(task, 'prctl_thp_disable', { on: pick([0, 1]) }),
  ...weigh(2, (task, tasks) => fork(task, tasks)),
];

const cases = Array.from({ length: count }, (_, at) => programOf(`calls-${machine}-${seed}-${at}`));
fs.mkdirSync(path.join(folder, 'cases'), { recursive: true });
const text = `[\n${cases.map((kase) => JSON.stringify(kase)).join(',\n')}\n]\n`;
fs.writeFileSync(path.join(folder, 'cases', `calls-${machine}-${seed}.json`), text);

function refuse(message) {
  console.error(`random-calls: ${message}`);
  process.exit(2);
}

/** A new region; not where the mapping may fail, as the recorder cannot bear a missing region. */
function mapping(task) {
  const { regions } = task;
  const name = 'ABCDEF'[regions.length];
  if (name === undefined || task.isLimited || chance(0.1)) {
    const flags = pick([...MAP_FLAGS, ...BAD_MAP_FLAGS, ...BAD_MAP_FLAGS]);
    return step(task, 'mmap', { as: 'Z', pages: 4, slot: 50, flags, prot: pick(PROTS) });
  }
  const flags = pick(MAP_FLAGS);
  const pages = pick([1, 2, 4, 7, 16, 16, HUGE_PAGES, 2 * HUGE_PAGES]);
  const isFile = chance(0.2);
  regions.push({ name, pages });
  const file = isFile ? { memfd: name, file_pages: pick([pages, pages, 1 + below(pages)]) } : {};
  const kind = isFile ? [pick(['shared', 'private'])] : flags;
  return step(task, 'mmap', {
    as: name,
    pages,
    slot: regions.length - 1,
    flags: kind,
    ...file,
    prot: isFile ? pick(['rw', 'r', 'none']) : pick(PROTS),
  });
}

/** MAP_FIXED on a part of a region. */
function over(task) {
  const { name, pages } = pick(task.regions);
  const page = below(pages);
  return step(task, 'mmap', {
    as: 'Y',
    over: name,
    page,
    pages: 1 + below(pages - page),
    prot: pick(PROTS),
    flags: pick([['private', 'anon'], ['shared', 'anon'], ['anon']]),
  });
}

function mremap(task) {
  const region = pick(task.regions);
  const { name, pages } = region;
  const wanted = pick([pages, pages, pages + 1, pages + 4, Math.max(1, pages - 1), 0, 2 ** 35]);
  const to = chance(0.5) ? { move_slot: pick([20, 21, 60, below(6), 2 ** 20]) } : {};
  const may = to.move_slot === undefined && chance(0.5) ? { maymove: 1 } : {};
  if (wanted > 0 && wanted < 2 ** 30) region.pages = Math.min(pages, wanted);
  return step(task, 'mremap', { r: name, new_pages: wanted, ...to, ...may });
}

function advise(task) {
  const advice = chance(0.1) ? pick(ODD_ADVICE) : pick(ADVICE);
  return step(task, 'madvise', { ...oddRange(task), advice });
}

function processMadvise(task, tasks) {
  const advice = pick(['COLD', 'PAGEOUT', 'WILLNEED', 'COLLAPSE', 'DONTNEED', 'FREE', 'NORMAL']);
  return step(task, 'process_madvise', { ...oddRange(task), target: pick(tasks).name, advice });
}

function lock(task) {
  if (chance(0.1)) return step(task, 'mlockall', { how: pick([0, 2, 4, 6, 8, 10, 16]) });
  if (chance(0.05)) return step(task, 'munlockall', {});
  if (chance(0.4)) return step(task, 'munlock', oddRange(task, [...ODD_LENGTHS, TOO_LONG]));
  return step(task, 'mlock', {
    ...oddRange(task, [...ODD_LENGTHS, TOO_LONG]),
    ...(chance(0.3) ? { onfault: 1 } : {}),
  });
}

function mbind(task) {
  const flags = chance(0.2) ? pick([8, 16, 9, 7, 3]) : subset(['STRICT', 'MOVE', 'MOVE_ALL'], 0.4);
  return step(task, 'mbind', { ...oddRange(task, [...ODD_LENGTHS, TOO_LONG]), ...policy(), flags });
}

function policy() {
  const mode = pick(MODES);
  const modeflags = chance(0.3) ? subset(MODE_FLAGS, 0.4) : [];
  const mask = chance(0.2) ? {} : { nodes: nodeSet() };
  const maxnode = chance(0.15) ? { maxnode: pick([0, 1, 2, 3, 5, 64, 65, 128, 40_000]) } : {};
  return { mode, modeflags, ...mask, ...maxnode, ...(chance(0.04) ? { bad_mask: 1 } : {}) };
}

function nodeSet() {
  if (chance(0.15)) return pick([[], [nodes], [63], [64], [127], [0, 63], [1, 64]]);
  const set = Array.from({ length: nodes }, (_, nid) => nid).filter(() => chance(0.4));
  return set.length === 0 ? [below(nodes)] : set;
}

function getMempolicy(task) {
  const flags = chance(0.15) ? pick([8, 16]) : subset(['ADDR', 'NODE', 'MEMS_ALLOWED'], 0.4);
  const maxnode = chance(0.2) ? { maxnode: pick([0, 1, 2, 64, 65, 1025]) } : {};
  return step(task, 'get_mempolicy', { ...(chance(0.7) ? oddRange(task) : {}), flags, ...maxnode });
}

function homeNode(task) {
  const node = pick([0, 1, nodes - 1, nodes, 63, 64, -1]);
  return step(task, 'home_node', {
    ...oddRange(task),
    node,
    ...(chance(0.1) ? { hflags: 1 } : {}),
  });
}

function movePages(task, tasks) {
  const pages = Array.from({ length: 1 + below(3) }, () => {
    if (chance(0.15)) return pick([0, 1, PAGE, 2 ** 47, 2 ** 40 + 50 * 2 ** 30]);
    return { ...range(task), ...(chance(0.1) ? { addr_add: pick([1, 8, PAGE, 1 << 30]) } : {}) };
  });
  const where = () => (chance(0.1) ? pick([-1, nodes, 63, 64, 1000]) : below(nodes));
  const to = chance(0.15) ? {} : { nodes: Array.from({ length: 1 + below(3) }, where) };
  const flags = chance(0.1) ? pick([0, 1, 3, 8, 16]) : [pick(['MOVE', 'MOVE_ALL'])];
  const odd = chance(0.15)
    ? pick([
        { count: 0 },
        { count: 1 },
        { bad_pages: 1 },
        { bad_nodes: 1 },
        { bad_status: 1 },
        { pid: 99_999 },
      ])
    : {};
  const target = chance(0.2) ? { target: pick(tasks).name } : {};
  return step(task, 'move_pages', { pages, ...to, flags, ...odd, ...target });
}

function migratePages(task, tasks) {
  const target = chance(0.3) ? { target: pick(tasks).name } : {};
  const odd = chance(0.2)
    ? pick([{ maxnode: 0 }, { maxnode: 1 }, { maxnode: 40_000 }, { pid: 99_999 }])
    : {};
  return step(task, 'migrate_pages', { from: nodeSet(), to: nodeSet(), ...odd, ...target });
}

/** Reading and writing of a hole goes on with SIGBUS, as the recorder asks for that. */
function userfaultfd(task) {
  const cmd = pick([
    'register',
    'register',
    'unregister',
    'protect',
    'unprotect',
    'copy',
    'zeropage',
  ]);
  const mode =
    cmd === 'register'
      ? { mode: pick([0, 1, 2, 2, 3, 4, 7, 8]) }
      : cmd === 'copy'
        ? { mode: pick([0, 0, 1, 2, 3, 4]), value: 5 }
        : {};
  return step(task, 'uffd', {
    ...oddRange(task, [0, 1, 4097, PAGE, -PAGE, 2 ** 46]),
    cmd,
    ...mode,
  });
}

function dropCaps(task) {
  task.isLimited = true;
  return step(task, 'drop_caps', {});
}

function limit(task) {
  task.isLimited = true;
  const which = pick(['memlock', 'memlock', 'data']);
  return step(task, 'rlimit', { which, cur: pick([0, 1, PAGE, 16 * PAGE, 65_536, 2 ** 22]) });
}

function fork(task, tasks) {
  if (tasks.length === 3) return step(task, 'pin_cpu', { cpu: 1 });
  const child = `p${tasks.length}`;
  tasks.push({ ...task, name: child, regions: task.regions.map((region) => ({ ...region })) });
  return step(task, 'fork', { child });
}

function viewsOf(task, { name }) {
  return [
    step(task, 'smaps', { r: name }),
    step(task, 'numa_maps', { r: name }),
    step(task, 'pagemap', { r: name, runs: 1 }),
    step(task, 'where', { r: name, runs: 1 }),
  ];
}

function viewOf(task, region) {
  return pick(viewsOf(task, region));
}

/** A part of a region. */
function range(task) {
  const { name, pages } = pick(task.regions);
  if (chance(0.3)) return { r: name, n: pages };
  const page = chance(0.5) ? 0 : below(pages);
  return { r: name, page, n: 1 + below(Math.min(pages - page, 600)) };
}

/** A part of a region, or a start or a length that is not of whole pages or not there at all. */
function oddRange(task, lengths = ODD_LENGTHS) {
  const start = chance(0.12) ? { addr_add: pick(ODD_ADDRESSES) } : {};
  return { ...range(task), ...start, ...(chance(0.15) ? { len_bytes: pick(lengths) } : {}) };
}

function step({ name }, op, fields) {
  return { op, ...(name === 'p0' ? {} : { p: name }), ...fields };
}

function weigh(times, call) {
  return Array.from({ length: times }, () => call);
}

function subset(names, share) {
  return names.filter(() => chance(share));
}

function pick(list) {
  return list[below(list.length)];
}

function below(bound) {
  return Math.floor(random() * bound);
}

function chance(share) {
  return random() < share;
}

/** mulberry32: numbers from 0 up to 1, the same for a seed. */
function randomOf(start) {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
