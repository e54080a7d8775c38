// `npm start`: from a fresh clone to the first report, with no step before it.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { install, isInstalled } from './lib/install.mjs';
import { binFolder, exitLike, root, run } from './lib/run.mjs';

const EXPERIMENT = 'experiments/compressed-cxl.ts';

async function start() {
  if (!isInstalled()) {
    process.stderr.write('mm-lab: installing packages (the first time only) …\n');
    const installed = await install();
    if (installed.code !== 0) return stop('the installation failed', installed);
  }
  const cli = join(root, 'packages', 'lab', 'dist', 'cli.js');
  if (!existsSync(cli)) process.stderr.write('mm-lab: building (a few seconds) …\n');
  const built = await run(join(binFolder, 'tsc'), ['-b', 'tsconfig.build.json'], { quiet: true });
  if (built.code !== 0) return stop('the build failed', built);
  if (!existsSync(cli)) {
    return stop('packages/lab/src/cli.ts is missing', { code: 1, signal: null, output: '' });
  }
  const args = [cli, 'run', EXPERIMENT, ...process.argv.slice(2)];
  exitLike(await run(join(binFolder, 'node'), args));
}

function stop(why, result) {
  process.stderr.write(result.output);
  process.stderr.write(`mm-lab: ${why}\n`);
  exitLike(result);
}

await start();
