/**
 * Row 33: a private node is a terminal tier and stands in no ordinary zonelist. A control group's
 * limit counts the pages that lie there; can reclaim for that limit get at them?
 */
import { type Cram, CramToken, cram } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { diskSwap } from '@mm-lab/mm-core';
import { Peek } from '@mm-lab/testkit';
import { agreesWithKernel, bytes, makeGroup, outcome, privateLab, residency } from './kit.ts';

const DRAM = 0;
const FAR = 1;
const PAGES = 1024;
const LIMIT = 256;

type Node = 'CRAM' | 'CRAM, mended' | 'ordinary';
type Step = 'memory.reclaim' | 'memory.max' | 'pressure 1000';

/** On a kernel with the series, 1024 pages on the node, swap on: pages reclaimed, OOM kills. */
const KERNEL: Readonly<Record<string, string>> = {
  'CRAM memory.reclaim': `EAGAIN, 0 reclaimed`,
  'CRAM memory.max': `0 reclaimed, 1 kill`,
  'CRAM pressure 1000': '1 left',
};

/** A group whose pages all lie on one node, then one step; what came of it. */
function run(node: Node, step: Step): readonly (string | number)[] {
  const peek = new Peek();
  const isCram = node !== 'ordinary';
  const { machine } = privateLab({
    nodePrivate: { groupReclaim: node === 'CRAM, mended' ? 'mended' : 'v4' },
    nodes: [
      { id: DRAM, pages: 4096, cpus: 1 },
      { id: FAR, pages: 2048, online: !isCram, movable: true, lineNs: 300 },
    ],
    services: isCram ? [{ nid: FAR, flags: null }] : [],
    plugins: [cram(), diskSwap({ pages: 8192 }), peek],
  });
  const cramOf = (): Cram => peek.services.get(CramToken);
  if (isCram) cramOf().cram_register_private_node(FAR, peek, null);
  const group = makeGroup(machine, 'g');
  const task = machine.createTask('member');
  group.attach(task);
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  task.movePages([...Array(PAGES).keys()], FAR);

  const before = machine.vmstat();
  let rc = 0;
  if (step === 'memory.reclaim') rc = group.write(step, String(bytes(PAGES)));
  else if (step === 'memory.max') rc = group.write(step, String(bytes(LIMIT)));
  else cramOf().cram_set_pressure(FAR, 1000);
  machine.sleep(1e9);
  const swapped = machine.vmstat().pswpout - before.pswpout;
  const kills = machine.vmstat().oom_kill - before.oom_kill;
  const left = task.alive ? (residency(machine, task, PAGES).get(FAR) ?? 0) : 0;
  const ends: Readonly<Record<Step, string>> = {
    'memory.reclaim': `${outcome(rc)}, ${swapped} reclaimed`,
    'memory.max': `${swapped} reclaimed, ${kills} kill`,
    'pressure 1000': `${left} left`,
  };
  machine.verify();
  return [
    node,
    step,
    outcome(rc),
    swapped,
    kills,
    left,
    ends[step],
    KERNEL[`${node} ${step}`] ?? '–',
  ];
}

function probe(): Figures {
  const rows = [
    run('CRAM', 'memory.reclaim'),
    run('CRAM', 'memory.max'),
    run('CRAM', 'pressure 1000'),
    run('ordinary', 'memory.reclaim'),
    run('ordinary', 'memory.max'),
    run('CRAM, mended', 'memory.reclaim'),
    run('CRAM, mended', 'memory.max'),
  ];
  const of = (row: number, column: number): number => Number(rows[row]?.[column]);
  return {
    values: {
      'cram.reclaimed_for_the_group': of(0, 3) + of(1, 3),
      'cram.oom_kills': of(1, 4),
      'cram.reclaimed_by_its_kswapd': of(2, 3),
      'ordinary.reclaimed_for_the_group': of(3, 3) + of(4, 3),
      'ordinary.oom_kills': of(4, 4),
      'mended.reclaimed_for_the_group': of(5, 3) + of(6, 3),
      'mended.oom_kills': of(6, 4),
    },
    tables: [
      {
        name: 'memcg',
        title: `A group with ${PAGES} pages on the node, swap free; limit ${LIMIT} pages`,
        columns: [
          'node',
          'step',
          'result',
          'swapped',
          'OOM kills',
          'left there',
          'model',
          'kernel',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'Can reclaim for a control group take pages from a private node?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'A kernel with the series reclaims nothing either, and kills at the limit.',
      holds: (results) => agreesWithKernel(results, 'memcg'),
    },
    {
      text: 'With the same pages on an ordinary slow node the group is reclaimed and nobody dies.',
      holds: (results) =>
        results.figure('ordinary.reclaimed_for_the_group') > 0 &&
        results.figure('ordinary.oom_kills') === 0,
    },
    {
      text: 'With `groupReclaim` mended so it is on the CRAM node, and nobody dies there.',
      holds: (results) =>
        results.figure('mended.reclaimed_for_the_group') > PAGES &&
        results.figure('mended.oom_kills') === 0,
    },
    {
      text: 'The pages are not stuck: the node’s own kswapd swaps them out.',
      holds: (results) => results.figure('cram.reclaimed_by_its_kswapd') > PAGES / 2,
    },
  ],
});
