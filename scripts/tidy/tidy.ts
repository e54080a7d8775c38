// The rules of the house that no linter knows. One file per kind of rule; each is a function from
// the repository to its findings. `any`, unused names and format are Biome's, see biome.json.

import { checkArrows } from './arrows.ts';
import { checkBanned } from './banned.ts';
import { checkCycles } from './cycles.ts';
import { checkDocuments } from './documents.ts';
import type { Finding } from './finding.ts';
import { sortFindings } from './finding.ts';
import { checkHot } from './hot.ts';
import { checkLayers } from './layers.ts';
import { checkModules } from './modules.ts';
import type { Repo } from './repo.ts';
import { checkSizes } from './sizes.ts';

const RULES: readonly ((repo: Repo) => readonly Finding[])[] = [
  checkLayers,
  checkArrows,
  checkCycles,
  checkSizes,
  checkModules,
  checkBanned,
  checkHot,
  checkDocuments,
];

export function tidy(repo: Repo): readonly Finding[] {
  return sortFindings(RULES.flatMap((rule) => rule(repo)));
}
