import ts from 'typescript';
import type { Finding } from './finding.ts';
import type { Repo, RepoFile } from './repo.ts';
import { isCode } from './repo.ts';
import { importsOf, lineOf, treeOf, walk } from './syntax.ts';

/** Something not to write, where it is allowed all the same, and what to write instead. */
interface Ban {
  readonly rule: string;
  readonly found: (node: ts.Node, tree: ts.SourceFile) => boolean;
  readonly allowedIn: RegExp;
  readonly instead: string;
}

const NOWHERE = /^$/;
const MEASURES_REAL_TIME = /^(?:packages\/lab|bench|scripts|oracle)\//;
const PRINTS = /^(?:packages\/lab|bench|scripts|examples|experiments|oracle)\//;
const IN_CORE = /packages\/mm-core\/src\//;
/** Where the owner column is made, read and handed over. */
const OWNERSHIP_FILES =
  /^packages\/mm-core\/src\/(?:hooks\/(?:managed|owner)|machine\/builder|mem\/folio-table)\.ts$/;
const DI_FILE = 'packages/mm-core/src/base/di.ts';
const DI_LIBRARIES: readonly string[] = ['tsyringe', 'reflect-metadata'];

const BANS: readonly Ban[] = [
  {
    rule: 'no-random',
    found: (node, tree) => isCallOf(node, tree, /^Math\.random$/),
    allowedIn: NOWHERE,
    instead: 'Math.random differs from run to run: use Prng',
  },
  {
    rule: 'no-wall-clock',
    found: (node, tree) =>
      isCallOf(node, tree, /^(?:Date\.now|performance\.now|Date|process\.hrtime(?:\.bigint)?)$/) ||
      (ts.isNewExpression(node) && node.expression.getText(tree) === 'Date'),
    allowedIn: MEASURES_REAL_TIME,
    instead: 'the model has its own time: use Clock',
  },
  {
    rule: 'no-ownership-question',
    found: (node, tree) => IN_CORE.test(tree.fileName) && isOwnershipQuestion(node, tree),
    allowedIn: OWNERSHIP_FILES,
    instead: 'only `Managed` asks who owns memory: add a question there, with a site',
  },
  {
    rule: 'no-console',
    found: (node, tree) => isCallOf(node, tree, /^console\.\w+$/),
    allowedIn: PRINTS,
    instead: 'return it, or emit a tracepoint: only the lab prints',
  },
  {
    rule: 'no-non-null',
    found: isUncheckedNonNull,
    allowedIn: NOWHERE,
    instead: '`!` is for a bounded index only (`column[pfn]!`): test the value or assert it',
  },
  {
    rule: 'no-double-as',
    found: (node) => ts.isAsExpression(node) && ts.isAsExpression(node.expression),
    allowedIn: NOWHERE,
    instead: 'a cast through another type hides an error: narrow it with a check',
  },
  {
    rule: 'no-enum',
    found: (node) => ts.isEnumDeclaration(node),
    allowedIn: NOWHERE,
    instead: 'use plain constants or an `as const` object',
  },
];

export function checkBanned(repo: Repo): readonly Finding[] {
  return repo.files
    .filter(({ path }) => isCode(path))
    .flatMap((file) => [...checkNodes(file), ...checkLibraries(file)]);
}

function checkNodes(file: RepoFile): readonly Finding[] {
  const tree = treeOf(file);
  const bans = BANS.filter(({ allowedIn }) => !allowedIn.test(file.path));
  const findings: Finding[] = [];
  walk(tree, (node) => {
    for (const { rule, found, instead } of bans) {
      if (!found(node, tree)) continue;
      findings.push({ path: file.path, line: lineOf(tree, node), rule, message: instead });
    }
  });
  return findings;
}

/** One file knows the container, so that it can be replaced, and so that its traps are met once. */
function checkLibraries(file: RepoFile): readonly Finding[] {
  if (file.path === DI_FILE) return [];
  return importsOf(file)
    .filter(({ specifier }) => DI_LIBRARIES.includes(specifier))
    .map(({ specifier, line }) => {
      const message = `only ${DI_FILE} imports ${specifier}: use what it exports`;
      return { path: file.path, line, rule: 'one-di-file', message };
    });
}

function isCallOf(node: ts.Node, tree: ts.SourceFile, callee: RegExp): boolean {
  return ts.isCallExpression(node) && callee.test(node.expression.getText(tree));
}

function isUncheckedNonNull(node: ts.Node): boolean {
  if (ts.isNonNullExpression(node)) return !ts.isElementAccessExpression(node.expression);
  const declares = ts.isPropertyDeclaration(node) || ts.isVariableDeclaration(node);
  return declares && node.exclamationToken !== undefined;
}

/** Reads the owner column, an owner, or whether a node is private. */
function isOwnershipQuestion(node: ts.Node, tree: ts.SourceFile): boolean {
  if (!ts.isPropertyAccessExpression(node)) return false;
  const { text } = node.name;
  if (text === 'ownerOf' || text === 'nodeOwner' || text === 'owner') return true;
  return text === 'private' && /pgdat/i.test(node.expression.getText(tree));
}
