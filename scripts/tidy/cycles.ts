import type { Finding } from './finding.ts';
import type { Repo } from './repo.ts';
import { isPackageSource } from './repo.ts';
import { importsOf, resolveRelative } from './syntax.ts';

/** `seen`: on the path being walked; `done`: everything below it was walked. */
type Mark = 'seen' | 'done';

interface Edge {
  readonly to: string;
  readonly line: number;
}

/**
 * No file of a package imports itself through others. Type-only imports don't count: the compiler
 * erases them, so they can't make a module load half-initialised.
 */
export function checkCycles(repo: Repo): readonly Finding[] {
  const graph = graphOf(repo);
  const marks = new Map<string, Mark>();
  const findings: Finding[] = [];
  for (const path of graph.keys()) visit(path, { graph, marks, findings, trail: [] });
  return findings;
}

interface Walk {
  readonly graph: ReadonlyMap<string, readonly Edge[]>;
  readonly marks: Map<string, Mark>;
  readonly findings: Finding[];
  readonly trail: string[];
}

function visit(path: string, walk: Walk): void {
  if (walk.marks.has(path)) return;
  walk.marks.set(path, 'seen');
  walk.trail.push(path);
  for (const { to, line } of walk.graph.get(path) ?? []) {
    if (walk.marks.get(to) === 'seen') {
      const cycle = [...walk.trail.slice(walk.trail.indexOf(to)), to];
      const message = `import cycle: ${cycle.map(shorten).join(' -> ')}`;
      walk.findings.push({ path, line, rule: 'cycles', message });
    } else {
      visit(to, walk);
    }
  }
  walk.trail.pop();
  walk.marks.set(path, 'done');
}

function graphOf(repo: Repo): ReadonlyMap<string, readonly Edge[]> {
  const graph = new Map<string, Edge[]>();
  for (const file of repo.files) {
    if (!isPackageSource(file.path)) continue;
    const edges: Edge[] = [];
    for (const { specifier, line, typeOnly } of importsOf(file)) {
      const to = resolveRelative(file.path, specifier);
      if (to !== undefined && !typeOnly) edges.push({ to, line });
    }
    graph.set(file.path, edges);
  }
  return graph;
}

function shorten(path: string): string {
  return path.replace(/^packages\/[^/]+\/src\//, '');
}
