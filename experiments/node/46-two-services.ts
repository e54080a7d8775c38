/**
 * Row 46: the message of P01 says that setting other ops than those of the node is refused, the
 * posted code overwrites them (divergence D3). CRAM has pages on a node when a second service sets
 * its own ops: who is called from then on, and what becomes of the pages?
 */
import { type Cram, CramToken, cram } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { agreesWithKernel, nodeOf, outcome, type PrivateLab, privateLab, writer } from './kit.ts';

const DRAM = 0;
const DEVICE = 1;
const PAGES = 64;

interface Seen {
  readonly scrubs: number;
  readonly promotions: number;
  readonly freesOfSecond: number;
}

interface Ending extends Seen {
  readonly setOps: number;
  readonly orphaned: number;
  readonly again: number;
  readonly flagsAfterAgain: number;
  readonly unregister: number;
  readonly flagsAtEnd: number;
  readonly warnings: number;
}

/** CRAM has pages on the node; then the second service comes. @param secondOps which reading */
function run(secondOps: 'code' | 'text'): Ending {
  const found: { cram?: Cram } = {};
  let scrubs = 0;
  let freesOfSecond = 0;
  const lab: PrivateLab = privateLab({
    nodes: [
      { id: DRAM, pages: 1024, cpus: 1 },
      { id: DEVICE, pages: 512, online: false },
    ],
    services: [{ nid: DEVICE, flags: null }],
    nodePrivate: { divergences: { secondOps } },
    plugins: [
      cram(),
      {
        name: 'peek',
        probe: (services) => {
          found.cram = services.get(CramToken);
        },
      },
    ],
  });
  const { machine, privateNodes } = lab;
  const first = found.cram;
  if (first === undefined) throw new Error('CRAM is not there');
  const flush = (): number => {
    scrubs++;
    return 0;
  };
  first.cram_register_private_node(DEVICE, lab, flush);
  const task = writer(machine, 'resident', 2 * PAGES);
  task.movePages([...Array(2 * PAGES).keys()], DEVICE);

  const second = {
    ...lab.moving,
    flags: NP_OPS_MIGRATION,
    free_folio: () => {
      freesOfSecond++;
      return false;
    },
  };
  const setOps = privateNodes.node_private_set_ops(DEVICE, second);
  // Half of CRAM's pages are stored to, the other half is freed.
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  let orphaned = 0;
  for (let vpn = 0; vpn < PAGES; vpn++) if (nodeOf(machine, task, vpn) === DEVICE) orphaned++;
  const promotions = PAGES - orphaned;
  [scrubs, freesOfSecond] = [0, 0];
  task.munmap(PAGES, PAGES);
  const again = first.cram_register_private_node(DEVICE, lab, flush);
  const flagsAfterAgain = privateNodes.node_private_flags(DEVICE);
  const unregister = first.cram_unregister_private_node(DEVICE);
  const flagsAtEnd = privateNodes.node_private_flags(DEVICE);
  const warnings = lab.warned();
  machine.verify();
  const seen = { scrubs, promotions, freesOfSecond };
  return { ...seen, setOps, orphaned, again, flagsAfterAgain, unregister, flagsAtEnd, warnings };
}

/** What a kernel with the series said to the same steps. */
const KERNEL: Readonly<Record<string, string>> = {
  'second set_ops': '0',
  'CRAM registers again': '0, flags of the second',
  'CRAM unregisters': '0, WARN, flags of the second',
};

function probe(): Figures {
  const code = run('code');
  const text = run('text');
  const whose = (flags: number): string => {
    if (flags === 0) return 'no flags';
    return flags === NP_OPS_MIGRATION ? 'flags of the second' : 'flags of CRAM';
  };
  const warn = ({ warnings }: Ending): string => (warnings > 0 ? ', WARN' : '');
  const steps = (end: Ending): readonly (readonly [step: string, what: string])[] => [
    ['second set_ops', String(outcome(end.setOps))],
    [`${PAGES} stores`, `${end.promotions} promoted, ${end.orphaned} on the device`],
    [`${PAGES} frees`, `${end.scrubs} scrubbed by CRAM, ${end.freesOfSecond} told to the second`],
    ['CRAM registers again', `${outcome(end.again)}, ${whose(end.flagsAfterAgain)}`],
    ['CRAM unregisters', `${outcome(end.unregister)}${warn(end)}, ${whose(end.flagsAtEnd)}`],
  ];
  const asText = steps(text);
  const rows = steps(code).map(([step, model], at) => {
    return [step, model, KERNEL[step] ?? '–', asText[at]?.[1] ?? '–'];
  });
  return {
    values: {
      'code.folios_orphaned': code.orphaned,
      'code.frees_not_scrubbed': PAGES - code.scrubs,
      'text.folios_orphaned': text.orphaned,
      'text.frees_not_scrubbed': PAGES - text.scrubs,
    },
    tables: [
      {
        name: 'services',
        title: 'CRAM has pages on the node, then another service sets ops there',
        columns: ['step', 'model', 'kernel', 'as the message of P01 says'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What happens when two services set ops on one node?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'A kernel with the series answers each step the same.',
      holds: (results) => agreesWithKernel(results, 'services'),
    },
    {
      text: 'The posted code orphans every page of the first service, and none is scrubbed.',
      holds: (results) =>
        results.figure('code.folios_orphaned') === PAGES &&
        results.figure('code.frees_not_scrubbed') === PAGES,
    },
    {
      text: 'Refusing the second set_ops, as the message says, would cost nobody a page.',
      holds: (results) =>
        results.figure('text.folios_orphaned') + results.figure('text.frees_not_scrubbed') === 0,
    },
  ],
});
