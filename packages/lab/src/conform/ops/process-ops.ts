import { EINTR, EPERM, FileRaState, PR_SET_THP_DISABLE, plainCreds } from '@mm-lab/mm-core';
import { returned } from '../result.js';
import { Endless, type Step } from '../step.js';
import { isMapFile, writeMapFile } from './map-files.js';
import type { TaskOp } from './op.js';

/** The user that a task becomes without its capabilities. */
const PLAIN_UID = 1000;

export const dropCapsOp: TaskOp = {
  acts: 'task',
  fields: [],
  run: (_step, task) => {
    task.task.struct.creds = plainCreds(PLAIN_UID);
    return { ret: 0 };
  },
};

/** prctl(PR_SET_THP_DISABLE). */
export const prctlThpDisableOp: TaskOp = {
  acts: 'task',
  fields: ['on'],
  run: (step, task, guest) => {
    const args = [step.int('on', 1), 0, 0, 0];
    const { prctl } = guest.machine.sys;
    return returned(prctl.prctl(task.task.struct, PR_SET_THP_DISABLE, args));
  },
};

/** sched_setaffinity: the task goes on where it is if it may, or on the first CPU it may use. */
export const pinCpuOp: TaskOp = {
  acts: 'task',
  fields: ['cpu', 'cpus'],
  run: (step, task, guest) => {
    const { nodes } = guest.machine;
    const wanted = step.has('cpus') ? step.numbers('cpus') : [step.int('cpu', 0)];
    const usable = wanted.filter((cpu) => cpu >= 0 && cpu < nodes.cpuCount());
    const { struct } = task.task;
    const [first] = usable;
    if (first === undefined) return { ret: -1, errno: 'EINVAL' };
    if (!usable.includes(struct.cpu)) {
      struct.cpu = first;
      struct.nid = nodes.nidOfCpu(first);
    }
    return { ret: 0 };
  },
};

/** setrlimit: both limits; only the superuser may raise what stands there. */
export const rlimitOp: TaskOp = {
  acts: 'task',
  fields: ['which', 'cur'],
  run: (step, task) => {
    const { rlimits, creds } = task.task.struct;
    const which = limitOf(step);
    const cur = step.int('cur', 0);
    const limit = cur < 0 ? Infinity : cur;
    if (limit > rlimits[which] && creds.uid !== 0) return returned(-EPERM);
    rlimits[which] = limit;
    return { ret: 0 };
  },
};

/** A file that the task writes itself. */
export const procWriteOp: TaskOp = {
  acts: 'task',
  fields: ['path', 'value'],
  run: (step, task, guest) => {
    const path = step.text('path', '');
    const value = step.text('value', '');
    if (isMapFile(path)) return returned(writeMapFile(guest, task, path, value));
    const rc = guest.call(task, (caller) => guest.writeFile(path, value, caller));
    if (rc === -EINTR) throw new Endless();
    return returned(rc);
  },
};

/** read(2) of a whole file; of those on disk there is only the recorder's program. */
export const readFileOp: TaskOp = {
  acts: 'task',
  fields: ['path'],
  run: (step, task, { machine }) => {
    const path = step.text('path', '');
    const file = [...machine.files.all()].find(({ name }) => name === path);
    if (file === undefined) return { bytes: 0 };
    const ra = new FileRaState(file.bdi);
    for (let index = 0; index < file.sizePages; index++) {
      machine.filemap.read(file, index, task.task.struct.nid, { ra });
    }
    machine.spend();
    return { bytes: file.sizeBytes };
  },
};

function limitOf(step: Step): 'memlock' | 'as' | 'data' {
  const which = step.text('which', 'memlock');
  return which === 'memlock' || which === 'as' ? which : 'data';
}
