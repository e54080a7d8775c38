import type { Finding } from './finding.ts';
import type { Repo } from './repo.ts';
import { importsOf, resolveRelative } from './syntax.ts';

/** Inside mm-core each layer imports itself and what is to its left. */
const LAYERS: readonly string[] = ['base', 'abi', 'hooks', 'mem', 'mm', 'sys', 'machine'];
const INSIDE = /^packages\/mm-core\/src\/(?:([^/]+)\/)?[^/]+/;

export function checkLayers(repo: Repo): readonly Finding[] {
  const findings: Finding[] = [];
  for (const file of repo.files) {
    const layer = layerOf(file.path);
    if (layer === undefined) continue;
    for (const { specifier, line } of importsOf(file)) {
      const message = complaint(file.path, layer, specifier);
      if (message !== undefined) findings.push({ path: file.path, line, rule: 'layers', message });
    }
  }
  return findings;
}

function complaint(path: string, layer: string, specifier: string): string | undefined {
  if (specifier.startsWith('@mm-lab/mm-core')) return 'import the file, not the package it is in';
  const target = resolveRelative(path, specifier);
  if (target === undefined) return undefined;
  const below = layerOf(target);
  if (below === undefined) {
    const isIndex = target === 'packages/mm-core/src/index.ts';
    return isIndex ? 'index.ts is for other packages: import the file' : undefined;
  }
  if (LAYERS.indexOf(below) <= LAYERS.indexOf(layer)) return undefined;
  return `${layer} is below ${below} and may not import it (${LAYERS.join(' < ')})`;
}

function layerOf(path: string): string | undefined {
  const layer = INSIDE.exec(path)?.[1];
  return layer !== undefined && LAYERS.includes(layer) ? layer : undefined;
}
