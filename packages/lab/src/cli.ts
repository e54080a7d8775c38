// @entry of the `mm-lab` command.

import { main } from './command/main.js';

// Who reads the output may have seen enough: `mm-lab hooks | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

const code = await main(process.argv.slice(2));
// After an error or Ctrl-C nothing that is still under way is worth waiting for.
if (code !== 0) process.exit(code);
