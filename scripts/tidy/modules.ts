import { posix } from 'node:path';
import ts from 'typescript';
import type { Finding } from './finding.ts';
import type { Repo, RepoFile } from './repo.ts';
import { isCode, isPackageSource, packageOf } from './repo.ts';
import { importsOf, lineOf, resolveRelative, treeOf } from './syntax.ts';

const DEFAULT_EXPORTS = /^(?:experiments|examples)\/|\.config\.ts$/;
const KEBAB_CASE = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|d|bench|config))?\.(?:ts|mjs|js)$/;
/** A file that is run rather than imported says so in its first comment. */
const ENTRY = /@entry\b/;

/** What a module may export, import and do when it is loaded. */
export function checkModules(repo: Repo): readonly Finding[] {
  return repo.files
    .filter(({ path }) => isCode(path))
    .flatMap((file) => [
      ...checkName(file),
      ...checkExports(file),
      ...checkDeepImports(file),
      ...checkSideEffects(file),
      ...checkIndex(file),
    ]);
}

function checkName({ path }: RepoFile): readonly Finding[] {
  if (KEBAB_CASE.test(posix.basename(path))) return [];
  return [{ path, line: 0, rule: 'file-name', message: 'file names are kebab-case' }];
}

function checkExports(file: RepoFile): readonly Finding[] {
  const tree = treeOf(file);
  const { path } = file;
  const findings: Finding[] = [];
  for (const node of tree.statements) {
    const line = lineOf(tree, node);
    if (ts.isExportDeclaration(node) && isStar(node)) {
      const message = 'a name nobody listed is a promise nobody made: export by name';
      findings.push({ path, line, rule: 'no-export-star', message });
    }
    if (isDefaultExport(node) && !DEFAULT_EXPORTS.test(path)) {
      const message = 'give it a name and export that: one name per idea';
      findings.push({ path, line, rule: 'no-default-export', message });
    }
  }
  return findings;
}

function checkDeepImports(file: RepoFile): readonly Finding[] {
  const findings: Finding[] = [];
  for (const { specifier, line } of importsOf(file)) {
    const inside = /^(@mm-lab\/[^/]+)\/(?!package\.json$)/.exec(specifier)?.[1];
    const target = resolveRelative(file.path, specifier);
    const other = target === undefined ? undefined : packageOf(target);
    const strays = other !== undefined && other !== packageOf(file.path);
    if (inside === undefined && !strays) continue;
    const message = `import from ${inside ?? `@mm-lab/${other}`}, never from inside it`;
    findings.push({ path: file.path, line, rule: 'no-deep-import', message });
  }
  return findings;
}

/** Importing a package does nothing: no registration, no patching, no call at the top level. */
function checkSideEffects(file: RepoFile): readonly Finding[] {
  const tree = treeOf(file);
  if (!isPackageSource(file.path) || ENTRY.test(file.text.slice(0, tree.getStart()))) return [];
  return tree.statements
    .filter((node) => ts.isExpressionStatement(node))
    .map((node) => {
      const message = 'no side effect on import: move it into a function, or mark the file @entry';
      return { path: file.path, line: lineOf(tree, node), rule: 'no-side-effect', message };
    });
}

function checkIndex(file: RepoFile): readonly Finding[] {
  if (!isPackageSource(file.path) || posix.basename(file.path) !== 'index.ts') return [];
  const tree = treeOf(file);
  return tree.statements
    .filter((node) => !ts.isExportDeclaration(node))
    .map((node) => {
      const message = 'index.ts lists named exports and nothing else';
      return { path: file.path, line: lineOf(tree, node), rule: 'index', message };
    });
}

function isStar({ exportClause, moduleSpecifier }: ts.ExportDeclaration): boolean {
  if (moduleSpecifier === undefined) return false;
  return exportClause === undefined || ts.isNamespaceExport(exportClause);
}

function isDefaultExport(node: ts.Statement): boolean {
  if (ts.isExportAssignment(node)) return true;
  if (ts.isExportDeclaration(node)) {
    const clause = node.exportClause;
    if (clause === undefined || !ts.isNamedExports(clause)) return false;
    return clause.elements.some(({ name }) => name.text === 'default');
  }
  const modifiers = ts.canHaveModifiers(node) ? ts.getModifiers(node) : undefined;
  return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword) ?? false;
}
