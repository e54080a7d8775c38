// @entry of the `mm-lab` command.

import { main } from './command/main.js';

process.exitCode = await main(process.argv.slice(2));
