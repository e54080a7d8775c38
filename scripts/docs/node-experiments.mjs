// The experiments of experiments/node/ by name: each is a probe, `NN-what-it-asks.ts`.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const FOLDER = 'experiments/node';

/** Names in the order of their rows. @param root folder of the repository */
export function nodeExperimentNames(root) {
  return readdirSync(join(root, FOLDER))
    .filter((name) => /^\d\d-[\w-]+\.ts$/.test(name))
    .map((name) => name.slice(0, -'.ts'.length))
    .sort();
}

/** The probe of a name. */
export async function nodeExperiment(root, name) {
  const module = await import(pathToFileURL(join(root, FOLDER, `${name}.ts`)).href);
  return module.default;
}
