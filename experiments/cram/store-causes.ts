/** Who makes a compressing device fuller: every change of a page's contents, by its cause. */
import {
  ContentsToken,
  deviceToken,
  FilemapToken,
  FolioTableToken,
  MigrateToken,
  MR_DEMOTION,
  NodesToken,
  PG_anon,
  type Plugin,
  type Services,
} from '@mm-lab/mm-core';

/** Causes; the first is what a write fence is there to prevent. */
export const CAUSES = [
  'store of a program',
  'kernel write',
  'DMA',
  'demotion',
  'other migration',
  'copy',
  'read from disk or swap',
  'zeroing',
] as const;
export type Cause = (typeof CAUSES)[number];

/** What one cause did to the pages of the device. */
export interface CauseCount {
  /** Changes of a page's contents. */
  changes: number;
  /** Those after which the device held more bytes, and how many more. */
  increases: number;
  bytes: number;
}

/** A ledger of causes, filled in while the machine runs. */
export interface StoreCauses {
  readonly counts: ReadonlyMap<Cause, CauseCount>;
  /** Stores of programs that the fence let through, by the kind of page. */
  readonly holes: ReadonlyMap<string, number>;
}

export interface CauseWatcher {
  readonly plugin: Plugin;
  /** Empty until the machine is built. */
  readonly causes: StoreCauses;
  /** @throws Error before the machine is built */
  services(): Services;
}

/** A plugin that watches the machine it is plugged into, behind the device and its guard. */
export function causeWatcher(device = 'cxl0'): CauseWatcher {
  const counts = new Map<Cause, CauseCount>(
    CAUSES.map((cause) => [cause, { changes: 0, increases: 0, bytes: 0 }]),
  );
  const holes = new Map<string, number>();
  const found: { services?: Services } = {};
  const plugin: Plugin = {
    name: 'store-causes',
    probe(services) {
      found.services = services;
      watchContents(services, device, { counts, holes });
    },
  };
  const services = (): Services => {
    if (found.services === undefined) throw new Error('the machine is not built yet');
    return found.services;
  };
  return { plugin, causes: { counts, holes }, services };
}

interface Ledger {
  readonly counts: Map<Cause, CauseCount>;
  readonly holes: Map<string, number>;
}

/**
 * Stands between the callers of `Contents` and it, so that no change of contents can be missed:
 * every one of them goes through that object.
 */
function watchContents(services: Services, name: string, { counts, holes }: Ledger): void {
  const contents = services.get(ContentsToken);
  const device = services.get(deviceToken(name));
  const table = services.get(FolioTableToken);
  const nodes = services.get(NodesToken);
  const why = currentPath(services);
  const note = (pfn: number, cause: Cause, change: () => void): void => {
    const before = device.usedBytes();
    change();
    const count = counts.get(cause);
    if (count === undefined || nodes.pgdat(nodes.nidOf(pfn)).device !== device) return;
    const grownBytes = device.usedBytes() - before;
    count.changes++;
    count.bytes += Math.max(0, grownBytes);
    if (grownBytes > 0) count.increases++;
    if (cause !== 'store of a program') return;
    const kind = table.has(table.head(pfn), PG_anon) ? 'anonymous' : 'of a file or shared memory';
    holes.set(kind, (holes.get(kind) ?? 0) + 1);
  };
  const { store, storeKey, copy, zero, put } = contents;
  let inner = false;
  // `put` is also how the others store; the outermost call names the cause.
  const outermost = (pfn: number, cause: Cause, change: () => void): void => {
    if (inner) {
      change();
      return;
    }
    inner = true;
    note(pfn, cause, change);
    inner = false;
  };
  contents.store = (pfn, vpn) => {
    let version = 0;
    outermost(pfn, why.store(), () => {
      version = store.call(contents, pfn, vpn);
    });
    return version;
  };
  contents.storeKey = (pfn, key) => {
    let version = 0;
    outermost(pfn, 'DMA', () => {
      version = storeKey.call(contents, pfn, key);
    });
    return version;
  };
  contents.copy = (dst, src) => outermost(dst, why.copy(), () => copy.call(contents, dst, src));
  contents.zero = (pfn) => outermost(pfn, 'zeroing', () => zero.call(contents, pfn));
  contents.put = (pfn, version, key) => {
    outermost(pfn, 'read from disk or swap', () => put.call(contents, pfn, version, key));
  };
}

/** Which of the callers is at work: write(2) stores too, and migrations copy too. */
function currentPath(services: Services): { store: () => Cause; copy: () => Cause } {
  const filemap = services.get(FilemapToken);
  const migrate = services.get(MigrateToken);
  const { write } = filemap;
  const { migratePages } = migrate;
  let writing = false;
  let reason: number | null = null;
  filemap.write = (file, index, nid) => {
    writing = true;
    try {
      return write.call(filemap, file, index, nid);
    } finally {
      writing = false;
    }
  };
  migrate.migratePages = (list, request) => {
    const before = reason;
    reason = request.reason;
    try {
      return migratePages.call(migrate, list, request);
    } finally {
      reason = before;
    }
  };
  return {
    store: () => (writing ? 'kernel write' : 'store of a program'),
    copy: () => {
      if (reason === null) return 'copy';
      return reason === MR_DEMOTION ? 'demotion' : 'other migration';
    },
  };
}
