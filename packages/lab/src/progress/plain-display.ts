import { Limiter } from '../run/limiter.js';
import type { TaskDisplay, TaskGroup } from './task.js';

/** A line when a task ends: for pipes, files and CI. */
export function plainDisplay(write: (line: string) => void): TaskDisplay {
  return async (groups) => {
    for (const group of groups) await runGroup(group, write);
  };
}

async function runGroup({ tasks, parallel }: TaskGroup, write: (line: string) => void) {
  const limiter = new Limiter(parallel);
  const width = Math.max(...tasks.map(({ title }) => title.length));
  await Promise.all(
    tasks.map((task) =>
      limiter.run(async () => {
        const result = await task.run(() => undefined);
        write(`${task.title.padEnd(width)}  ${result}`);
      }),
    ),
  );
}
