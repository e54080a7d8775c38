import { defineExperiment } from '../experiment/define-experiment.js';
import type { ClaimDefinition, Experiment, VariantDefinition } from '../experiment/experiment.js';
import { BACKENDS, type Backend, type BackendName } from './backends.js';
import type { CompareOptions } from './compare-options.js';
import { compareSizes } from './compare-sizes.js';

/** The only backend that nobody guards: what it loses is the point of showing it. */
const UNGUARDED: string = 'unguarded';

/** The experiment that `mm-lab compare` runs. */
export function compareExperiment(options: CompareOptions): Experiment {
  const { trace, pages, sizes, events } = options;
  const name = trace.replace(/^.*[/\\]/, '').replace(/\..*$/, '');
  return defineExperiment({
    name: 'compare',
    question: `What does each way of using the device cost ${name}?`,
    seed: options.seed,
    // Every variant says what its machine is, from the sizes of the workload.
    machine: { nodes: [{ id: 0, pages: 1, cpus: 1 }] },
    workload: { trace, pages, sizes, events },
    variants: options.backends.map((backend) => variantOf(backend, options)),
    claims: claimsOf(options.backends),
  });
}

function variantOf(name: BackendName, options: CompareOptions): VariantDefinition {
  const backend: Backend = BACKENDS[name];
  const { title, bound = false, oracle } = backend;
  return {
    name,
    title,
    bound,
    kind: oracle === undefined ? 'machine' : 'oracle',
    machine: (workload) => backend.machine(compareSizes(options, workload)),
    plugins: ({ workload }) => backend.plugins(compareSizes(options, workload)),
    oracle: oracle && ((workload) => oracle(compareSizes(options, workload))),
  };
}

function claimsOf(backends: readonly BackendName[]): readonly ClaimDefinition[] {
  const safe = backends.filter((name) => name !== UNGUARDED);
  return [
    {
      text: 'No guarded variant overflows the device or loses a page.',
      holds: (results) =>
        safe.every(
          (name) =>
            results.stat(name, 'device.overflow_events') === 0 &&
            results.stat(name, 'integrity.lost_pages') === 0 &&
            results.stat(name, 'integrity.lost_unread_pages') === 0,
        ),
    },
    {
      text: 'No variant reads stale contents or leaks those of another page.',
      holds: (results) =>
        backends.every(
          (name) =>
            results.stat(name, 'integrity.stale_reads') === 0 &&
            results.stat(name, 'integrity.leaked_pages') === 0,
        ),
    },
    {
      text: 'Nothing that did not ask lands on private memory.',
      holds: (results) =>
        backends.every((name) => results.stat(name, 'isolation.leaked_allocations') === 0),
    },
  ];
}
