import { posix } from 'node:path';
import ts from 'typescript';
import type { RepoFile } from './repo.ts';

/** One `import`, `export … from` or `import()`. */
export interface ImportOf {
  /** As written. */
  readonly specifier: string;
  readonly line: number;
  /** Erased by the compiler: loads nothing at run time. */
  readonly typeOnly: boolean;
}

const trees = new WeakMap<RepoFile, ts.SourceFile>();

/** The syntax tree; parsed once per file. */
export function treeOf(file: RepoFile): ts.SourceFile {
  const known = trees.get(file);
  if (known !== undefined) return known;
  const kind = file.path.endsWith('.ts') ? ts.ScriptKind.TS : ts.ScriptKind.JS;
  const tree = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true, kind);
  trees.set(file, tree);
  return tree;
}

/** Calls `visit` for every node, parents first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** The line a node starts on, without the comment before it. */
export function lineOf(tree: ts.SourceFile, node: ts.Node): number {
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
}

export function lineOfEnd(tree: ts.SourceFile, node: ts.Node): number {
  return tree.getLineAndCharacterOfPosition(node.getEnd()).line + 1;
}

export function importsOf(file: RepoFile): readonly ImportOf[] {
  const tree = treeOf(file);
  const imports: ImportOf[] = [];
  walk(tree, (node) => {
    const found = importAt(node);
    if (found === undefined) return;
    const { specifier, typeOnly } = found;
    imports.push({ specifier, line: lineOf(tree, node), typeOnly });
  });
  return imports;
}

/** The repository path that a relative import names: `.js` stands for the `.ts` beside it. */
export function resolveRelative(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}

function importAt(node: ts.Node): { specifier: string; typeOnly: boolean } | undefined {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    const phase = node.importClause?.phaseModifier;
    const typeOnly = phase === ts.SyntaxKind.TypeKeyword;
    return { specifier: node.moduleSpecifier.text, typeOnly };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    if (!ts.isStringLiteral(node.moduleSpecifier)) return undefined;
    return { specifier: node.moduleSpecifier.text, typeOnly: node.isTypeOnly };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments;
    if (argument === undefined || !ts.isStringLiteralLike(argument)) return undefined;
    return { specifier: argument.text, typeOnly: false };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    if (!ts.isStringLiteral(node.argument.literal)) return undefined;
    return { specifier: node.argument.literal.text, typeOnly: true };
  }
  return undefined;
}
