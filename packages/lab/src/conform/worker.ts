// @entry of a worker thread: runs the cases it is handed, one after the other.

import { parentPort } from 'node:worker_threads';
import type { ConformCase } from './conform-case.js';
import { runCase } from './run-case.js';

parentPort?.on('message', (found: ConformCase) => {
  parentPort?.postMessage(runCase(found));
});
