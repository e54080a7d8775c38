// The experiments that docs/discussion.md shows, by name: `NN-what-it-asks.ts` for a point of the
// discussion, `hNN-what-it-asks.ts` for a hypothesis of the cost model, `vNN-what-it-asks.ts` for a
// row of its validation ladder.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Folders of experiments/ whose experiments have a section each. */
export const FOLDERS = ['node', 'cram', 'coherent'];

/** Names in the order of their rows. @param root folder of the repository */
export function experimentNames(root, folder) {
  const path = join(root, 'experiments', folder);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => /^[hv]?\d\d-[\w-]+\.ts$/.test(name))
    .map((name) => name.slice(0, -'.ts'.length))
    .sort();
}

/** The probe or experiment of a name, whatever its folder. */
export async function experimentOf(root, name) {
  const folder = FOLDERS.find((known) => experimentNames(root, known).includes(name));
  if (folder === undefined) throw new Error(`no folder of experiments/ has ${name}.ts`);
  const module = await import(pathToFileURL(join(root, 'experiments', folder, `${name}.ts`)).href);
  return module.default;
}
