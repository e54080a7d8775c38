import ts from 'typescript';
import type { Finding } from './finding.ts';
import type { Repo, RepoFile } from './repo.ts';
import { isCode, isTest } from './repo.ts';
import { lineOf, lineOfEnd, treeOf, walk } from './syntax.ts';

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const COLUMNS_MAX = 100;
/** A group of tests is a list, not a function to be understood as one. */
const TEST_GROUPS = /^(?:describe|suite)\b/;

export function checkSizes(repo: Repo): readonly Finding[] {
  return repo.files
    .filter(({ path }) => isCode(path))
    .flatMap((file) => [...checkLines(file), ...checkFunctions(file)]);
}

function checkLines(file: RepoFile): readonly Finding[] {
  const { path, text } = file;
  const findings: Finding[] = [];
  const lines = text.trimEnd().split('\n');
  // A package's list of names is one noun however long it is.
  if (lines.length > FILE_LINES_MAX && !path.endsWith('src/index.ts')) {
    const message = `${lines.length} lines, at most ${FILE_LINES_MAX}: one noun per file`;
    findings.push({ path, line: FILE_LINES_MAX + 1, rule: 'file-lines', message });
  }
  // An inline snapshot shows what a program printed, as it printed it.
  const exempt = isTest(path) ? templateLines(file) : new Set<number>();
  for (const [index, line] of lines.entries()) {
    // An address can't be broken.
    if (line.length <= COLUMNS_MAX || /https?:\/\//.test(line) || exempt.has(index + 1)) continue;
    const message = `${line.length} columns, at most ${COLUMNS_MAX}`;
    findings.push({ path, line: index + 1, rule: 'columns', message });
  }
  return findings;
}

function checkFunctions(file: RepoFile): readonly Finding[] {
  const tree = treeOf(file);
  const findings: Finding[] = [];
  walk(tree, (node) => {
    if (!ts.isFunctionLike(node) || isTestGroup(node, tree)) return;
    const line = lineOf(tree, node);
    const lines = lineOfEnd(tree, node) - line + 1;
    if (lines <= FUNCTION_LINES_MAX) return;
    const message = `${nameOf(node, tree)} has ${lines} lines, at most ${FUNCTION_LINES_MAX}`;
    findings.push({ path: file.path, line, rule: 'function-lines', message });
  });
  return findings;
}

function isTestGroup(node: ts.Node, tree: ts.SourceFile): boolean {
  const call = node.parent;
  if (!isTest(tree.fileName) || !ts.isCallExpression(call)) return false;
  return TEST_GROUPS.test(call.expression.getText(tree));
}

function templateLines(file: RepoFile): ReadonlySet<number> {
  const tree = treeOf(file);
  const lines = new Set<number>();
  walk(tree, (node) => {
    if (!ts.isTemplateExpression(node) && !ts.isNoSubstitutionTemplateLiteral(node)) return;
    const last = lineOfEnd(tree, node);
    for (let line = lineOf(tree, node) + 1; line < last; line++) lines.add(line);
  });
  return lines;
}

function nameOf(node: ts.SignatureDeclaration, tree: ts.SourceFile): string {
  if (node.name !== undefined) return node.name.getText(tree);
  const { parent } = node;
  return ts.isVariableDeclaration(parent) ? parent.name.getText(tree) : 'this function';
}
