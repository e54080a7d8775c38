import { ENOENT } from '@mm-lab/mm-core';
import { HmmFile, type HmmHandle } from '../hmm/hmm-unit.js';
import { StepError } from '../step.js';
import { selectionOf } from './buffer.js';
import { adviseOp, aliasOp, mapOp, protectOp, remapOp, unmapOp } from './map-ops.js';
import {
  cpuReadOp,
  cpuWriteOp,
  fileCreateOp,
  fileReadOp,
  fileWriteOp,
  gupOp,
  mirrorFillOp,
  pagemapReadOp,
  serveUffd,
  uffdOpenOp,
  uffdRegisterOp,
  uffdServeOp,
  uffdStopOp,
} from './memory-ops.js';
import { bufferOf, type OpContext, type ScenarioOp } from './scenario-op.js';

const PAGE = 4096;
const FAIL_ALLOC = 1;

function openOp({ step, process, observed, run }: OpContext): void {
  const handle = run.on.units.open(run.number(step, 'unit', 0), process.task.mm);
  if (handle === null) observed.rc = -ENOENT;
  else process.devices.set(step.text('as', 'd'), new HmmFile(handle));
}

function closeOp({ step, process }: OpContext): void {
  const name = step.text('dev', 'd');
  process.devices.get(name)?.close();
  process.devices.delete(name);
}

function handleOf({ step, process }: OpContext): HmmHandle {
  const file = process.devices.get(step.text('dev', 'd'));
  if (file === undefined) throw new StepError(`there is no device ${step.text('dev', 'd')}`);
  return file.handle;
}

/** Pages that a command is about: all, so many from the start, one by its number, or `0..5`. */
function asked(context: OpContext): { readonly first: number; readonly pages: readonly number[] } {
  const buffer = bufferOf(context);
  const { step, process } = context;
  const found = step.get('pages');
  const first = buffer.start / PAGE;
  if (typeof found === 'number') {
    return { first, pages: Array.from({ length: found }, (_, at) => at) };
  }
  const text = step.text('pages', 'all');
  const range = /^\d+$/.test(text) ? `page ${text}` : text;
  const named = /^\d+\.\.(?:\d+|end)$/.test(range) ? `pages ${range}` : range;
  return { first, pages: selectionOf(named, buffer, process.hole).pages };
}

/** A command of the test device, whose buffer is the mirror from its start. */
function command(
  perform: (
    handle: HmmHandle,
    start: number,
    end: number,
    context: OpContext,
  ) => {
    readonly rc: number;
    readonly pages: number;
    readonly faults: number;
    readonly keys: readonly number[];
  },
): ScenarioOp {
  return (context) => {
    const { observed, process, run } = context;
    const { first, pages } = asked(context);
    const start = first + (pages[0] ?? 0);
    observed.npages = pages.length;
    const result = perform(handleOf(context), start, start + pages.length, context);
    observed.rc = result.rc;
    if (result.rc < 0) return;
    observed.cpages = result.pages;
    observed.faults = result.faults;
    result.keys.forEach((key, at) => {
      process.mirror[at] = run.on.patterns.pageOf(key);
    });
  };
}

const NOTHING = { pages: 0, faults: 0, keys: [] } as const;

function snapshotOp(context: OpContext): void {
  const { observed } = context;
  const { first, pages } = asked(context);
  const start = first + (pages[0] ?? 0);
  const bytes = handleOf(context).snapshot(start, start + pages.length);
  observed.npages = pages.length;
  if (typeof bytes === 'number') {
    observed.rc = bytes;
    return;
  }
  observed.snapshot = bytes;
  observed.cpages = bytes.length;
}

/** wait: the child has run to its end by then. */
function waitOp({ observed, run }: OpContext): void {
  const ending = run.child?.ending ?? null;
  if (ending === null) {
    run.child?.end({ code: 0 });
    observed.childExited = true;
    observed.childStatus = 0;
  } else if ('code' in ending) {
    observed.childExited = true;
    observed.childStatus = ending.code;
  } else {
    observed.childKilledBy = ending.signal;
  }
}

/** Every op by the name it has in a scenario. */
export const SCENARIO_OPS: Readonly<Record<string, ScenarioOp>> = {
  map: mapOp,
  alias: aliasOp,
  unmap: unmapOp,
  remap: remapOp,
  protect: protectOp,
  advise: adviseOp,
  'cpu.read': cpuReadOp,
  'cpu.write': cpuWriteOp,
  'mirror.fill': mirrorFillOp,
  'device.open': openOp,
  'device.close': closeOp,
  'device.read': command((handle, start, end) => handle.read(start, end, null)),
  'device.read_unlocked': command((handle, start, end, context) =>
    handle.read(start, end, (vpn) => serveUffd(context, vpn)),
  ),
  'device.write': command((handle, start, end, { process, run }) =>
    handle.write(start, end, (vpn) => {
      const page = process.mirror[vpn - start];
      return page === undefined ? 0 : run.on.patterns.keyOfPage(page);
    }),
  ),
  'device.migrate_to_device': command((handle, start, end) => handle.toDevice(start, end)),
  'device.migrate_to_system': command((handle, start, end) => handle.toSystem(start, end)),
  'device.make_exclusive': command((handle, start, end) => handle.makeExclusive(start, end)),
  'device.check_exclusive': command((handle, start, end) => ({
    ...NOTHING,
    rc: handle.checkExclusive(start, end),
  })),
  'device.snapshot': snapshotOp,
  'device.release_all_chunks': command((handle) => {
    handle.release();
    return { ...NOTHING, rc: 0 };
  }),
  'device.fail_next_allocation': command((handle) => {
    handle.setFlags(FAIL_ALLOC);
    return { ...NOTHING, rc: 0 };
  }),
  exit: ({ step, process }) => process.end({ code: step.int('code', 0) }),
  wait: waitOp,
  wait_for_signal: () => undefined,
  signal: ({ step, run }) => run.child?.end({ signal: step.text('signal', 'KILL') }),
  gup: gupOp,
  'pagemap.read': pagemapReadOp,
  'file.create': fileCreateOp,
  'file.write': fileWriteOp,
  'file.read': fileReadOp,
  'uffd.open': uffdOpenOp,
  'uffd.register': uffdRegisterOp,
  'uffd.serve_in_thread': uffdServeOp,
  'uffd.stop': uffdStopOp,
};
