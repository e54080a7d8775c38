import { deviceCoherent } from '@mm-lab/backend-device-coherent';
import { testHmm } from '@mm-lab/backend-zone-device';
import { createMachine, type Machine, type MachineConfig } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import type { Backend } from '../conform-case.js';
import { CoherentUnits } from '../hmm/coherent-units.js';
import { addHmmUnits } from '../hmm/hmm-machine.js';
import type { HmmUnits } from '../hmm/hmm-unit.js';
import { ZoneDeviceUnits } from '../hmm/zone-device-units.js';
import { PatternData } from './pattern.js';

/** The machine that a scenario runs on. */
export interface ScenarioMachine {
  readonly machine: Machine;
  readonly patterns: PatternData;
  readonly units: HmmUnits;
}

/** 4 GiB on the node of the CPUs; a pool of huge pages, as the self-test's script makes one. */
const BASE: MachineConfig = {
  seed: 1,
  nodes: [{ id: 0, pages: 2 ** 20, cpus: 2 }],
  sysctl: { thp_enabled: 'madvise' },
};
const UNITS = 4;

/** A machine with two private and two coherent units, driven by a backend. */
export function scenarioMachine(backend: Backend): ScenarioMachine {
  const patterns = new PatternData();
  const made = backend === 'zone-device' ? zoneDevice(patterns) : deviceCoherentUnits(patterns);
  made.machine.pseudoFiles.write('/proc/sys/vm/nr_hugepages', '4', null);
  return made;
}

function zoneDevice(patterns: PatternData): ScenarioMachine {
  const { config, units } = addHmmUnits(BASE, UNITS);
  const device = testHmm({ units });
  const machine = createMachine(config, [patterns.plugin(), device]);
  return { machine, patterns, units: new ZoneDeviceUnits(device, UNITS) };
}

/** Two devices on private nodes: the coherent units. */
function deviceCoherentUnits(patterns: PatternData): ScenarioMachine {
  const nids = [1, 2];
  const nodes = nids.map((id) => ({ id, pages: DEVICE_PAGES, online: false }));
  const devices = nids.map((nid) => deviceCoherent({ nid, name: `device-coherent${nid}` }));
  const plugins = [patterns.plugin(), nodePrivate(), ...devices];
  const machine = createMachine({ ...BASE, nodes: [...BASE.nodes, ...nodes] }, plugins);
  return { machine, patterns, units: new CoherentUnits(devices) };
}

/** 512 MiB: room for the largest buffer and for the allocator's reserve. */
const DEVICE_PAGES = 2 ** 17;
