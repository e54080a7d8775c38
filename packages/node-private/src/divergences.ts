/** Whether the model follows what the series says or what its posted code does. */
export type Reading = 'text' | 'code';

/** The places of RFC v4 where text and code differ, by the names that the reports use. */
export const DIVERGENCES = {
  oomEligible: {
    id: 'D1',
    text: 'OOM_ELIGIBLE is MIGRATION and DEMOTION',
    code: 'OOM_ELIGIBLE is RECLAIM and DEMOTION',
  },
  callbackGating: {
    id: 'D2',
    text: 'a callback is called only with its flag',
    code: 'a callback is called if the pointer is there',
  },
  secondOps: {
    id: 'D3',
    text: 'other ops than those that are set: -EBUSY',
    code: 'set_ops overwrites what is there',
  },
  interruptNodes: {
    id: 'D4',
    text: 'interrupts see ordinary nodes only',
    code: 'the gate looks at the request alone',
  },
  gateName: {
    id: 'D5',
    text: 'numa_zone_allowed',
    code: 'numa_zone_alloc_allowed',
  },
  userMigration: {
    id: 'D6',
    text: 'migrate_to_node moves with GFP_PRIVATE itself',
    code: 'migrate_to_node hands the folios to migrate_to',
  },
  faultSignature: {
    id: 'D7',
    text: 'handle_fault(vmf)',
    code: 'handle_fault(folio, vmf, level)',
  },
  registerName: {
    id: 'D8',
    text: 'node_private_region_register',
    code: 'node_private_register',
  },
  oomNodes: {
    id: 'D9',
    text: 'private nodes that are eligible count when cpusets are compared for a kill',
    code: 'only N_MEMORY nodes count',
  },
} as const;

/** Name of a divergence. */
export type DivergenceName = keyof typeof DIVERGENCES;

/** Number of a divergence in the list of the specification. */
export type DivergenceId = (typeof DIVERGENCES)[DivergenceName]['id'];

/** Readings that were chosen, by name or by number. */
export type DivergenceChoice = Readonly<Partial<Record<DivergenceName | DivergenceId, Reading>>>;

/** Every reading; the posted code where nothing was chosen. */
export type Divergences = Readonly<Record<DivergenceName, Reading>>;

/** Fills in what was not chosen. A name goes before a number. */
export function readDivergences(choice: DivergenceChoice = {}): Divergences {
  const reading = (name: DivergenceName): Reading => {
    return choice[name] ?? choice[DIVERGENCES[name].id] ?? 'code';
  };
  return {
    oomEligible: reading('oomEligible'),
    callbackGating: reading('callbackGating'),
    secondOps: reading('secondOps'),
    interruptNodes: reading('interruptNodes'),
    gateName: reading('gateName'),
    userMigration: reading('userMigration'),
    faultSignature: reading('faultSignature'),
    registerName: reading('registerName'),
    oomNodes: reading('oomNodes'),
  };
}
