import type { Guest } from '../guest.js';
import type { MachineOp } from './op.js';

const DROP_CACHES = '/proc/sys/vm/drop_caches';
/** How long the recorder waits for what settles. */
const SETTLE_MS = 30;

/** sync, then the page cache and the slab are dropped. */
export const dropCachesOp: MachineOp = {
  acts: 'machine',
  fields: [],
  run: (_step, guest) => {
    guest.writeFile(DROP_CACHES, '3', null);
    return { ret: 0 };
  },
};

export const settleOp: MachineOp = {
  acts: 'machine',
  fields: [],
  run: (_step, guest) => {
    settle(guest);
    return { ret: 0 };
  },
};

export function settle(guest: Guest): void {
  guest.writeFile(DROP_CACHES, '3', null);
  guest.sleep(SETTLE_MS);
}
