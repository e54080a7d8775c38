// Where things are: the cases and machines of the repository, and a work folder outside of it.
import fs from 'node:fs';
import path from 'node:path';

const conformance = path.join(import.meta.dirname, '../conformance/cases/kernel-records');

/** Kernels, the runner and what guests say. */
export const WORK = process.env.ORACLE_WORK ?? '/tmp/oracle';
/** The cases to record: the repository's, or a folder of one's own. */
export const CASES = path.resolve(process.env.CASES_DIR ?? path.join(conformance, 'cases'));
/** Where records go: not over those of the repository unless that is asked for. */
export const RECORDS = path.resolve(process.env.RECORDS_DIR ?? path.join(WORK, 'records'));
/** The records of the repository. */
export const REPO_RECORDS = path.join(conformance, 'records');

export const machines = JSON.parse(
  fs.readFileSync(path.join(conformance, 'machines.json'), 'utf8'),
);

/** The value behind `--name`, or what is given here. */
export function option(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
}

export function isSet(name) {
  return process.argv.includes(`--${name}`);
}

/** The entries of every file of a folder of cases or records. */
export function readAll(folder) {
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('.json') && !name.startsWith('_'))
    .sort()
    .flatMap((name) => JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8')));
}
