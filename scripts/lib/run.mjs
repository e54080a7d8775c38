// Runs one child process at a time, with the pinned Node first in PATH. Plain Node 20, no packages:
// this code runs before anything is installed.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OUTPUT_BYTES_MAX = 4_000_000;
const FORWARDED = ['SIGTERM', 'SIGHUP'];

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const binFolder = join(root, 'node_modules', '.bin');
export const cacheFolder = join(root, 'node_modules', '.cache', 'mm-lab');

/**
 * Runs `command` in the repository's root. `quiet` keeps its output back and returns it.
 * Resolves to the exit code (128 + n after signal n), the signal if one ended it, and the output.
 */
export function run(command, args, { quiet = false, env = {} } = {}) {
  const child = spawn(command, args, {
    cwd: root,
    env: childEnvironment(env),
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
  });
  let output = '';
  const keep = (chunk) => {
    if (output.length < OUTPUT_BYTES_MAX) output += chunk;
  };
  child.stdout?.setEncoding('utf8').on('data', keep);
  child.stderr?.setEncoding('utf8').on('data', keep);
  const release = passSignals(child);
  return new Promise((resolve) => {
    child.on('error', (error) => {
      release();
      resolve({ code: 127, signal: null, output: `${command}: ${error.message}\n` });
    });
    child.on('close', (code, signal) => {
      const seen = release();
      const ending = signal ?? (code === 0 ? null : seen);
      resolve({ code: code ?? codeOf(signal), signal: ending, output });
    });
  });
}

/** Ends this process the way its child ended, so that a shell sees a Ctrl-C as a Ctrl-C. */
export function exitLike({ code, signal }) {
  if (signal !== null) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    process.exitCode = codeOf(signal);
    return;
  }
  process.exitCode = code;
}

function childEnvironment(extra) {
  const path = `${binFolder}${delimiter}${process.env.PATH ?? ''}`;
  return { ...process.env, ...extra, PATH: path };
}

/**
 * While a child runs, signals are its business. A terminal sends Ctrl-C to the whole group, so we
 * only stay alive; without a terminal nobody else tells the child, so we do.
 */
function passSignals(child) {
  let seen = null;
  const onInterrupt = () => {
    seen = 'SIGINT';
    if (!process.stdin.isTTY) child.kill('SIGINT');
  };
  const forward = (signal) => {
    seen = signal;
    child.kill(signal);
  };
  process.on('SIGINT', onInterrupt);
  for (const signal of FORWARDED) process.on(signal, forward);
  return () => {
    process.off('SIGINT', onInterrupt);
    for (const signal of FORWARDED) process.off(signal, forward);
    return seen;
  };
}

function codeOf(signal) {
  return 128 + (constants.signals[signal] ?? 0);
}
