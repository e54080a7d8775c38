import { Listr, type ListrTask } from 'listr2';
import type { Task, TaskDisplay, TaskGroup } from './task.js';

/** Spinners that turn into check marks, by listr2: for a terminal. */
export function liveDisplay(): TaskDisplay {
  return async (groups) => {
    for (const group of groups) await listOf(group).run();
  };
}

function listOf({ tasks, parallel }: TaskGroup): Listr {
  const width = Math.max(...tasks.map(({ title }) => title.length));
  return new Listr(
    tasks.map((task) => rowOf(task, width)),
    {
      concurrent: parallel,
      exitOnError: true,
      // Ctrl-C is the command's business: it stops the workers and removes the folder first.
      registerSignalListeners: false,
      rendererOptions: { showErrorMessage: false, collapseErrors: false },
    },
  );
}

function rowOf(task: Task, width: number): ListrTask {
  const title = task.title.padEnd(width);
  return {
    title,
    task: async (_context, row) => {
      const result = await task.run((line) => {
        row.title = `${title}  ${line}`;
      });
      row.title = `${title}  ${result}`;
    },
  };
}
