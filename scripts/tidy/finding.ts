/** One thing to put right. */
export interface Finding {
  readonly path: string;
  /** From 1; 0 for a finding about a whole file or folder. */
  readonly line: number;
  readonly rule: string;
  /** What is wrong and what to do instead. */
  readonly message: string;
}

/** `file:line rule message`, the form in which editors make it a link. */
export function formatFinding({ path, line, rule, message }: Finding): string {
  return `${path}:${line} ${rule} ${message}`;
}

/** By file, then line, so that two runs print the same. */
export function sortFindings(findings: readonly Finding[]): readonly Finding[] {
  return [...findings].sort(
    (a, b) => compare(a.path, b.path) || a.line - b.line || compare(a.rule, b.rule),
  );
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
