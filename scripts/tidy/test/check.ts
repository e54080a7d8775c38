import type { Finding } from '../finding.ts';
import { formatFinding, sortFindings } from '../finding.ts';
import type { Repo } from '../repo.ts';
import { repoOf } from '../repo.ts';

type Rule = (repo: Repo) => readonly Finding[];

/** What a rule says about files given as strings, one finding a line. */
export function check(rule: Rule, texts: Readonly<Record<string, string>>): string {
  return sortFindings(rule(repoOf(texts)))
    .map((finding) => formatFinding(finding))
    .join('\n');
}
