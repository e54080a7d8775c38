import type { Bench, BenchOptions, Mechanism } from './bench.ts';
import { benchOf, fill, PAGES, residentOf } from './bench.ts';

/** What each mechanism does for one service, as it is run. */
export interface Service {
  readonly name: string;
  /** The flag of the private node that asks for it, by name. */
  readonly flag?: string;
  /** The flag's bits and the callbacks that come with it. */
  readonly optIn?: BenchOptions;
  readonly sysctl?: BenchOptions['sysctl'];
  /** Pages that the program has, default 16; and flags of the area. */
  readonly pages?: number;
  readonly extra?: number;
  /** Are the pages on the device at the start? Default yes. */
  readonly resident?: boolean;
  /**
   * What section 5 of the specification says, in the words that the run uses: private, coherent,
   * node without flags, node with the flag; null where it is silent.
   */
  readonly spec: readonly [Said, Said, Said, Said?];
  /** Why the run says otherwise, where it does. */
  readonly why?: string;
  readonly run: (bench: Bench) => string;
}

export type Said = string | null;

/** A row of the table: what was seen, and where the specification says otherwise. */
export interface ServiceRow {
  readonly name: string;
  readonly flag: string;
  /** Private, coherent, node, node with the flag (`–` if there is none). */
  readonly seen: readonly string[];
  readonly spec: readonly Said[];
  /** What the same comes to if node 1 is ordinary memory: does the run show anything at all? */
  readonly ordinary: string;
  readonly why: string | undefined;
}

const MECHANISMS: readonly Mechanism[] = ['DEVICE_PRIVATE', 'DEVICE_COHERENT', 'N_MEMORY_PRIVATE'];

/** Runs a service on each mechanism, each time on a machine of its own. */
export function runService(service: Service): ServiceRow {
  const { name, flag, optIn, spec, why } = service;
  const seen = MECHANISMS.map((mechanism) => observe(service, mechanism, {}));
  if (optIn !== undefined) seen.push(observe(service, 'N_MEMORY_PRIVATE', optIn));
  return {
    name,
    flag: flag ?? '–',
    seen,
    spec: seen.map((_, at) => spec[at] ?? null),
    ordinary: onOrdinaryNode(service),
    why,
  };
}

/** The same for everybody, so it is run once. */
const ordinary = new Map<Service, string>();

function onOrdinaryNode(service: Service): string {
  const known = ordinary.get(service) ?? observe(service, 'N_MEMORY', {});
  ordinary.set(service, known);
  return known;
}

/** Does a node with these opt-ins give the service as an ordinary node does? */
export function isAsOrdinary(service: Service, mechanism: Mechanism, optIn: BenchOptions): boolean {
  return observe(service, mechanism, optIn) === onOrdinaryNode(service);
}

/** Places of mm that said "special" while a service ran, by name. */
export function specialSites(
  service: Service,
  mechanism: Mechanism,
  optIn: BenchOptions,
): readonly string[] {
  const found: string[] = [];
  observe(service, mechanism, optIn, ({ machine }) => {
    for (const { name, managed } of machine.sites.report()) if (managed > 0) found.push(name);
  });
  return found;
}

function observe(
  service: Service,
  mechanism: Mechanism,
  optIn: BenchOptions,
  then: (bench: Bench) => void = () => undefined,
): string {
  const { sysctl, pages = PAGES, extra = 0, resident = true } = service;
  const options = { ...optIn, ...(sysctl && { sysctl }) };
  const bench = resident
    ? residentOf(mechanism, options, { pages, extra })
    : benchOf(mechanism, options);
  if (!resident) fill(bench.task, pages, extra);
  bench.machine.work.runAs(bench.task.struct);
  const seen = service.run(bench);
  bench.machine.spend();
  bench.machine.verify();
  then(bench);
  return seen;
}
