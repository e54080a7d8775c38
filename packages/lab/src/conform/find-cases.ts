import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { LabError, messageOf } from '../error/lab-error.js';
import { BootOrder } from './boot-order.js';
import { bundledConformance } from './bundled.js';
import type { Backend, ConformCase, RecordCase, SkippedCase } from './conform-case.js';
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  listAt,
  objectAt,
  parseJson,
  textAt,
} from './json.js';
import { syscallCases } from './syscall-file.js';

/** What is looked for. */
export interface FindOptions {
  /** Whose records are judged by, where there is a choice. */
  readonly kernel: string;
  /** Who drives the test device of the HMM self-test's scenarios; undefined: they are skipped. */
  readonly backend?: Backend | undefined;
  /** Folder of cases, instead of the one beside the records. */
  readonly casesFolder?: string | undefined;
}

/** How deep a folder is searched. */
const DEPTH_MAX = 4;

/** Families that only one kernel was recorded doing, whatever the others are judged by. */
const KERNEL_OF_FAMILY: Readonly<Record<string, string>> = {
  hmm: '7.3.4-hmm',
  private: 'rfc-v4',
};
const FAMILY_KERNELS = Object.values(KERNEL_OF_FAMILY);

/**
 * The cases at some paths, each once, in the order of files and of cases in them.
 * @throws LabError CASES_UNREADABLE
 */
export function findCases(paths: readonly string[], options: FindOptions): readonly ConformCase[] {
  const finder = new CaseFinder(options);
  for (const path of paths) finder.add(resolve(path));
  return finder.found();
}

class CaseFinder {
  private readonly cases = new Map<string, ConformCase>();
  private readonly jsonByPath = new Map<string, Json>();

  constructor(private readonly options: FindOptions) {}

  found(): readonly ConformCase[] {
    return [...this.cases.values()];
  }

  add(path: string): void {
    if (!existsSync(path)) throw new LabError('CASES_UNREADABLE', `there is no ${path}`);
    const before = this.cases.size;
    if (statSync(path).isDirectory()) this.addFolder(path, DEPTH_MAX);
    else this.addFile(path);
    if (this.cases.size === before) {
      throw new LabError('CASES_UNREADABLE', `no cases in ${path}`);
    }
  }

  private addFolder(folder: string, depth: number): void {
    const entries = readdirSync(folder, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    if (folders.includes('cases') && folders.includes('records')) {
      this.addRecordedSet(folder);
      return;
    }
    for (const file of jsonFiles(folder)) this.addFile(file);
    if (depth === 0) return;
    for (const name of folders.sort()) this.addFolder(join(folder, name), depth - 1);
  }

  /** `cases/` beside `records/<kernel>/`: the records of one kernel, and what it never recorded. */
  private addRecordedSet(folder: string): void {
    const records = join(folder, 'records', this.options.kernel);
    const kernels = readdirSync(join(folder, 'records'));
    const isOfFamily = (kernel: string): boolean => FAMILY_KERNELS.includes(kernel);
    const hasFamiliesOnly = kernels.length > 0 && kernels.every(isOfFamily);
    if (!existsSync(records) && !hasFamiliesOnly) {
      throw new LabError('CASES_UNREADABLE', `${folder} has no records of ${this.options.kernel}`, {
        hint: `it has ${kernels.join(', ')}: give one with --kernel`,
      });
    }
    for (const file of existsSync(records) ? jsonFiles(records) : []) this.addFile(file);
    for (const [family, kernel] of Object.entries(KERNEL_OF_FAMILY)) {
      const own = join(folder, 'records', kernel, `${family}.json`);
      if (existsSync(own)) this.addFile(own);
    }
    const casesFolder = this.options.casesFolder ?? join(folder, 'cases');
    for (const file of jsonFiles(casesFolder)) {
      for (const kase of this.entries(file)) {
        const name = `${textAt(kase, 'family')}/${textAt(kase, 'id')}`;
        if (!this.cases.has(name)) this.skipUnrecorded(kase);
      }
    }
  }

  private skipUnrecorded(kase: Json): void {
    this.put(skipped(kase, `${this.options.kernel} has no record of it`));
  }

  private addFile(path: string): void {
    const content = this.read(path);
    const [first] = isArray(content) ? content : [];
    if (isObject(content) && isArray(content.cases)) this.addSyscalls(content, path);
    else if (isObject(first) && isObject(first.call)) this.addSyscalls({ cases: content }, path);
    else if (isObject(first) && 'fixture' in first && isArray(content)) this.addScenarios(content);
    else if (isRecord(first)) this.addRecords(path);
    else if (isObject(first) && isArray(first.steps)) this.addCasesAlone(path);
  }

  /** Scenarios of the HMM self-test, each in its variants. */
  private addScenarios(content: readonly Json[]): void {
    const { backend } = this.options;
    for (const kase of content) {
      for (const variant of textsAt(kase, 'variants')) {
        const id = `${textAt(kase, 'name')}/${variant.replace(/^.*_device_/, '')}`;
        const reason = whyNotOn(backend, variant);
        if (backend === undefined || reason !== undefined) {
          this.put({ kind: 'skipped', id, family: 'hmm-tests', reason: reason ?? '' });
        } else {
          this.put({ kind: 'scenario', id, family: 'hmm-tests', kase, variant, backend });
        }
      }
    }
  }

  private addSyscalls(content: Json, path: string): void {
    const { kernel } = this.options;
    const machines = this.syscallMachines(content);
    for (const found of syscallCases(content, { kernel, machines, path })) this.put(found);
  }

  /** Those of the file's header; cases without one run on those of the repository. */
  private syscallMachines(content: Json): JsonObject {
    const own = objectAt(objectAt(content, 'header'), 'machines');
    const [bundled] = bundledConformance('syscall-cases.json').filter((path) => existsSync(path));
    if (Object.keys(own).length > 0 || bundled === undefined) return own;
    return objectAt(objectAt(this.read(bundled), 'header'), 'machines');
  }

  private addRecords(path: string): void {
    const base = dirname(path);
    const casesFolder = this.casesFolderOf(base);
    const topology = this.topologyOf(base);
    const byId = new Map<string, Json>();
    for (const file of casesFolder === undefined ? [] : jsonFiles(casesFolder)) {
      for (const kase of this.entries(file)) byId.set(textAt(kase, 'id'), kase);
    }
    const order = new BootOrder();
    for (const record of this.entries(path)) {
      const kase = byId.get(textAt(record, 'id'));
      const reason = this.whyNot(record, kase);
      if (reason !== undefined) this.put(skipped(record, reason));
      else if (kase !== undefined) {
        this.putRecorded({ kase, record, earlier: order.add(kase) }, topology, base);
      }
    }
  }

  private whyNot(record: Json, kase: Json | undefined): string | undefined {
    if (isObject(record) && record.broken) return 'the recording broke';
    if (isObject(record) && record.missing) return 'the recording is missing';
    return kase === undefined ? 'its case was not found (give the folder with --cases)' : undefined;
  }

  /** A file of cases: judged by the records of the same family beside it, or only run. */
  private addCasesAlone(path: string): void {
    const kernel = KERNEL_OF_FAMILY[basename(path, '.json')] ?? this.options.kernel;
    const folder = join(dirname(path), '..', 'records', kernel);
    const records = existsSync(folder) ? jsonFiles(folder) : [];
    const byId = new Map<string, Json>();
    for (const file of records) {
      for (const record of this.entries(file)) byId.set(textAt(record, 'id'), record);
    }
    const topology = this.topologyOf(folder);
    const order = new BootOrder();
    for (const kase of this.entries(path)) {
      const record = byId.get(textAt(kase, 'id')) ?? null;
      this.putRecorded({ kase, record, earlier: order.add(kase) }, topology, folder);
    }
  }

  private putRecorded(
    { kase, record, earlier }: Pick<RecordCase, 'kase' | 'record' | 'earlier'>,
    topology: Json,
    base: string,
  ): void {
    const machine = textAt(kase, 'machine');
    this.put({
      kind: 'record',
      id: textAt(kase, 'id'),
      family: textAt(kase, 'family'),
      kase,
      record,
      earlier,
      topology: objectAt(topology, machine),
      description: objectAt(this.machinesOf(base), machine),
    });
  }

  private put(found: ConformCase): void {
    // The two sets have some names in common.
    const name = `${found.family}/${found.id}`;
    if (!this.cases.has(name)) this.cases.set(name, found);
  }

  private casesFolderOf(base: string): string | undefined {
    const { casesFolder } = this.options;
    if (casesFolder !== undefined) return casesFolder;
    return firstExisting(join(base, '..', '..', 'cases'), join(base, '..', 'cases'));
  }

  private topologyOf(base: string): Json {
    const own = join(base, '_topology.json');
    const bundled = bundledConformance(
      `kernel-records/records/${this.options.kernel}/_topology.json`,
    );
    const path = firstExisting(own, ...bundled);
    if (path !== undefined) return this.read(path);
    throw new LabError('CASES_UNREADABLE', `there is no _topology.json in ${base}`);
  }

  private machinesOf(base: string): Json {
    const near = [join(base, '..', '..', 'machines.json'), join(base, '..', 'machines.json')];
    const path = firstExisting(...near, ...bundledConformance('kernel-records/machines.json'));
    return path === undefined ? {} : this.read(path);
  }

  private entries(path: string): readonly Json[] {
    const content = this.read(path);
    return isArray(content) ? content : [];
  }

  private read(path: string): Json {
    const known = this.jsonByPath.get(path);
    if (known !== undefined) return known;
    const content = readCases(path);
    this.jsonByPath.set(path, content);
    return content;
  }
}

/** A JSON document, or JSON lines. @throws LabError CASES_UNREADABLE */
function readCases(path: string): Json {
  const text = readFileSync(path, 'utf8');
  try {
    const start = text.trimStart();
    const isLines = start.startsWith('{') && /^\{.*\}\s*\n\s*\{/.test(start.slice(0, 1 << 20));
    if (!isLines) return parseJson(text);
    return start.split('\n').flatMap((line) => (line.trim() === '' ? [] : [parseJson(line)]));
  } catch (cause) {
    const what = `${path} is not JSON: ${messageOf(cause)}`;
    throw new LabError('CASES_UNREADABLE', what, { cause });
  }
}

function jsonFiles(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && !name.startsWith('_'))
    .sort()
    .map((name) => join(folder, name))
    .filter((path) => basename(path) !== 'machines.json' && statSync(path).isFile());
}

function firstExisting(...paths: readonly string[]): string | undefined {
  return paths.find((path) => existsSync(path));
}

function isRecord(entry: Json | undefined): boolean {
  if (!isObject(entry) || !('kernel' in entry)) return false;
  return isArray(entry.steps) || Boolean(entry.broken) || Boolean(entry.missing);
}

/** Memory that no CPU can address can't be that of a node. */
function whyNotOn(backend: Backend | undefined, variant: string): string | undefined {
  if (backend === undefined) return 'needs a backend: give one with --backend';
  const isPrivate = variant.endsWith('private');
  return backend === 'device-coherent' && isPrivate
    ? 'device-coherent has no private memory'
    : undefined;
}

function textsAt(kase: Json, key: string): readonly string[] {
  return listAt(kase, key).filter((item) => typeof item === 'string');
}

function skipped(kase: Json, reason: string): SkippedCase {
  return { kind: 'skipped', id: textAt(kase, 'id'), family: textAt(kase, 'family'), reason };
}
