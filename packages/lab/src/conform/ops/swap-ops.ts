import { PAGE_SIZE } from '@mm-lab/mm-core';
import { returned } from '../result.js';
import type { MachineOp } from './op.js';

const KIB_PER_PAGE = PAGE_SIZE / 1024;

export const swaponOp: MachineOp = {
  acts: 'machine',
  fields: [],
  run: (_step, { machine }) => returned(machine.swap.swapon()),
};

export const swapoffOp: MachineOp = {
  acts: 'machine',
  fields: [],
  run: (_step, { machine }) => {
    const rc = machine.swapoff.swapoff();
    machine.spend();
    return returned(rc);
  },
};

/** SwapTotal, and SwapTotal less SwapFree. */
export const swapinfoOp: MachineOp = {
  acts: 'machine',
  fields: [],
  run: (_step, { machine }) => ({
    total_kB: machine.swap.total() * KIB_PER_PAGE,
    used_kB: machine.swap.total() === 0 ? 0 : machine.swap.used() * KIB_PER_PAGE,
  }),
};
