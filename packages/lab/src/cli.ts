// @entry of the `mm-lab` command.

import { main } from './command/main.js';

const code = await main(process.argv.slice(2));
// After an error or Ctrl-C nothing that is still under way is worth waiting for.
if (code !== 0) process.exit(code);
