import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { type Driver, GROUPS, type Group } from './groups.ts';

/** What a driver has of a duty. */
export interface Burden {
  lines: number;
  functions: number;
}

/** Lines and functions of a driver by duty, out of the syntax tree. */
export function burdenOf(root: string, driver: Driver): ReadonlyMap<Group, Burden> {
  const found = new Map(GROUPS.map((group) => [group, { lines: 0, functions: 0 }]));
  const folder = join(root, driver.folder);
  for (const file of readdirSync(folder).filter((name) => driver.files.test(name))) {
    const text = readFileSync(join(folder, file), 'utf8');
    const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    const code = codeLines(tree);
    for (const { name, from, to } of functionsOf(tree)) {
      const group = groupOf(driver, `${file}:${name}`);
      const burden = found.get(group);
      if (burden === undefined) continue;
      burden.functions++;
      for (let line = from; line <= to; line++) if (code.has(line)) burden.lines++;
    }
  }
  return found;
}

function groupOf({ name, rules }: Driver, where: string): Group {
  const rule = rules.find(([pattern]) => pattern.test(where));
  if (rule === undefined) throw new Error(`${name}: ${where} has no group`);
  return rule[1];
}

/** Lines with a token on them: neither blank nor only a comment. */
function codeLines(tree: ts.SourceFile): ReadonlySet<number> {
  const lines = new Set<number>();
  const visit = (node: ts.Node): void => {
    if (node.getChildCount(tree) === 0 && node.getWidth(tree) > 0) {
      const from = tree.getLineAndCharacterOfPosition(node.getStart(tree)).line;
      const to = tree.getLineAndCharacterOfPosition(node.getEnd()).line;
      for (let line = from; line <= to; line++) lines.add(line);
    }
    for (const child of node.getChildren(tree)) if (!ts.isJSDoc(child)) visit(child);
  };
  visit(tree);
  return lines;
}

interface FunctionAt {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Functions and methods; what is inside one belongs to it. */
function functionsOf(tree: ts.SourceFile): readonly FunctionAt[] {
  const found: FunctionAt[] = [];
  const visit = (node: ts.Node): void => {
    const isFunction =
      ts.isFunctionDeclaration(node) ||
      ts.isMethodDeclaration(node) ||
      ts.isConstructorDeclaration(node) ||
      ts.isGetAccessor(node);
    if (!isFunction || node.body === undefined) {
      ts.forEachChild(node, visit);
      return;
    }
    const name = ts.isConstructorDeclaration(node)
      ? 'constructor'
      : (node.name?.getText(tree) ?? '');
    const from = tree.getLineAndCharacterOfPosition(node.getStart(tree)).line;
    found.push({ name, from, to: tree.getLineAndCharacterOfPosition(node.getEnd()).line });
  };
  visit(tree);
  return found;
}
