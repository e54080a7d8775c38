import { testHmm } from '@mm-lab/backend-zone-device';
import { cram } from '@mm-lab/cram';
import { createMachine, type Plugin, type Services, zramSwap } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { replayBootHistory } from './boot-history.js';
import { reserveSeenFirst } from './boot-reserve.js';
import type { RecordCase } from './conform-case.js';
import { describedMachine } from './described-machine.js';
import { Guest } from './guest.js';
import { withHmmUnits } from './hmm/hmm-machine.js';
import { ZoneDeviceUnits } from './hmm/zone-device-units.js';
import { Privtest } from './privtest/privtest.js';
import { recordMachine, writeBaseline } from './record-machine.js';
import { StepError } from './step.js';
import { WordData } from './word-data.js';

/** /dev/zram0: 192 MiB less the page of its header, swapped on by a step. */
const ZRAM = { pages: 192 * 256 - 1, codec: 'lzo-rle' };

/** What the kernel lets its first process lock (include/uapi/linux/resource.h:MLOCK_LIMIT). */
const MLOCK_LIMIT = 8 << 20;

/** The machine of a case, booted: as a kernel described it, or as the emulator was told to be. */
export function bootGuest({ kase, record, topology, description, family }: RecordCase): Guest {
  if (family === 'private') return bootPrivate(description);
  if (family === 'hmm') return bootHmm(topology, description, kase);
  const words = new WordData();
  const told = recordMachine(topology);
  const reserve = reserveSeenFirst(told, kase, record);
  const config = reserve === undefined ? told : { ...told, bootMinFreeKbytes: reserve };
  const guest = new Guest(createMachine(config, [words.plugin(), zramSwap(ZRAM)]), words, {
    softDirty: true,
    program: 'counted',
    memlock: MLOCK_LIMIT,
  });
  if (config.bootMinFreeKbytes !== told.bootMinFreeKbytes) {
    guest.bootNotes.push('the reserve of its boot was read from its own record');
  }
  guest.machine.swap.stopAllocating();
  writeBaseline(guest.machine, topology);
  // A case that sees the boot's own marks is the first to change a block.
  if (reserve === undefined) replayBootHistory(guest.machine, config, kase);
  return guest;
}

/** A machine of the kernel with private nodes, CRAM and the recorder's test driver for them. */
function bootPrivate(description: RecordCase['description']): Guest {
  const words = new WordData();
  const found: { services?: Services } = {};
  const take: Plugin = {
    name: 'privtest',
    probe: (services) => {
      found.services = services;
    },
  };
  const { config, leftoversNid } = describedMachine(description);
  const plugins = [words.plugin(), zramSwap(ZRAM), nodePrivate(), cram(), take];
  const machine = createMachine(config, plugins);
  if (found.services === undefined) throw new StepError('the test driver was not probed');
  new Privtest(found.services, machine, leftoversNid).addFiles();
  machine.swap.stopAllocating();
  return new Guest(machine, words, { softDirty: false, program: 'in use' });
}

/** A machine of the kernel with the HMM test device: two private units, two coherent if it can. */
function bootHmm(
  topology: RecordCase['topology'],
  description: RecordCase['description'],
  kase: RecordCase['kase'],
): Guest {
  const words = new WordData();
  const { config, units } = withHmmUnits(recordMachine(topology), description);
  const device = testHmm({ units });
  const plugins = [words.plugin(), zramSwap(ZRAM), device];
  const guest = new Guest(createMachine(config, plugins), words, {
    softDirty: false,
    program: 'counted',
  });
  guest.hmm = new ZoneDeviceUnits(device, units.length);
  guest.machine.swap.stopAllocating();
  replayBootHistory(guest.machine, config, kase);
  return guest;
}
