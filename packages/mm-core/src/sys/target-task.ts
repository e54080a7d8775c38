import { EPERM, ESRCH } from '../abi/errno.js';
import type { Creds, TaskStruct } from '../mem/task-struct.js';
import type { Tasks } from '../mm/tasks.js';

/** The task that a call acts on; 0 is the caller. @returns it, -ESRCH, or -EPERM */
export function targetTask(tasks: Tasks, caller: TaskStruct, pid: number): TaskStruct | number {
  const task = pid === 0 ? caller : tasks.find(pid);
  if (task === null) return -ESRCH;
  return mayAccess(caller, task) ? task : -EPERM;
}

/**
 * May `caller` look at the task (kernel/ptrace.c:ptrace_may_access, PTRACE_MODE_READ_REALCREDS)?
 * It is the same, or the user is and it has no capability more, or CAP_SYS_PTRACE says so.
 * Simplified: every process is dumpable, as one user id says all.
 */
function mayAccess(caller: TaskStruct, task: TaskStruct): boolean {
  if (caller === task || caller.creds.capSysPtrace) return true;
  return caller.creds.uid === task.creds.uid && hasNoMore(task.creds, caller.creds);
}

function hasNoMore(task: Creds, caller: Creds): boolean {
  if (task.capSysNice && !caller.capSysNice) return false;
  if (task.capIpcLock && !caller.capIpcLock) return false;
  if (task.capSysAdmin && !caller.capSysAdmin) return false;
  return !task.capSysPtrace;
}
