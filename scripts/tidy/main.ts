// `pnpm tidy`: prints what the tidy test would, without the tests. A path prefix narrows it.

import { join } from 'node:path';
import { formatFinding } from './finding.ts';
import { readRepo } from './repo.ts';
import { tidy } from './tidy.ts';

const prefix = process.argv[2] ?? '';
const root = join(import.meta.dirname, '..', '..');
const findings = tidy(readRepo(root)).filter(({ path }) => path.startsWith(prefix));
for (const finding of findings) console.log(formatFinding(finding));
console.log(findings.length === 0 ? 'tidy' : `${findings.length} to put right`);
process.exitCode = findings.length === 0 ? 0 : 1;
