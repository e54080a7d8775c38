import ts from 'typescript';
import type { Finding } from './finding.ts';
import type { Repo, RepoFile } from './repo.ts';
import { isCode, isTest } from './repo.ts';
import { lineOf, treeOf, walk } from './syntax.ts';

/** Files whose first comment says `@hot`: the access loop and what it calls. */
export function checkHot(repo: Repo): readonly Finding[] {
  return repo.files.filter((file) => isHot(file)).flatMap((file) => checkFile(file));
}

function isHot(file: RepoFile): boolean {
  if (!isCode(file.path) || isTest(file.path) || !file.text.includes('@hot')) return false;
  const [first] = treeOf(file).statements;
  if (first === undefined) return false;
  const comments = ts.getLeadingCommentRanges(file.text, first.pos) ?? [];
  const text = comments.map(({ pos, end }) => file.text.slice(pos, end)).join('\n');
  return /(?:^|[\s*/])@hot\b/.test(text);
}

function checkFile(file: RepoFile): readonly Finding[] {
  const tree = treeOf(file);
  const findings: Finding[] = [];
  walk(tree, (node) => {
    const message = complaint(node, tree);
    if (message === undefined) return;
    findings.push({ path: file.path, line: lineOf(tree, node), rule: 'hot', message });
  });
  return findings;
}

function complaint(node: ts.Node, tree: ts.SourceFile): string | undefined {
  if (ts.isThrowStatement(node)) return 'no throw in a @hot file: return a negative errno';
  if (isEmit(node) && !isGuarded(node, tree)) {
    return 'guard it: `if (tp.enabled) tp.emit(…)`; an emit nobody hears costs five accesses';
  }
  if (allocates(node) && isInLoop(node)) return 'no allocation in a loop of a @hot file';
  return undefined;
}

function allocates(node: ts.Node): boolean {
  return (
    ts.isNewExpression(node) ||
    ts.isArrayLiteralExpression(node) ||
    ts.isObjectLiteralExpression(node) ||
    ts.isArrowFunction(node) ||
    ts.isFunctionExpression(node) ||
    ts.isTemplateExpression(node)
  );
}

/** Inside a loop of the same function: a function declared in a loop was reported itself. */
function isInLoop(node: ts.Node): boolean {
  for (let at = node.parent; at !== undefined; at = at.parent) {
    if (ts.isIterationStatement(at, false)) return true;
    if (ts.isFunctionLike(at) || ts.isSourceFile(at)) return false;
  }
  return false;
}

function isEmit(node: ts.Node): node is ts.CallExpression {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false;
  return node.expression.name.text === 'emit';
}

function isGuarded(node: ts.Node, tree: ts.SourceFile): boolean {
  for (let at = node; at.parent !== undefined && !ts.isFunctionLike(at); at = at.parent) {
    const above = at.parent;
    const guard =
      ts.isIfStatement(above) && above.thenStatement === at ? above.expression : undefined;
    if (guard !== undefined && /\.enabled\b/.test(guard.getText(tree))) return true;
  }
  return false;
}
