import { PAGE_SIZE } from '@mm-lab/mm-core';
import { isArray, isObject, type Json, type JsonObject } from '../json.js';
import type { Finding, StepAnswer } from '../outcome.js';
import { Step, StepError } from '../step.js';
import type { Buffer } from './buffer.js';
import { judge } from './expectation.js';
import { evaluate } from './expression.js';
import { nothingObserved, type Observed } from './observed.js';
import type { ScenarioMachine } from './scenario-machine.js';
import type { RunContext } from './scenario-op.js';
import { SCENARIO_OPS } from './scenario-ops.js';
import { ScenarioProcess } from './scenario-process.js';

const PMD = 512 * PAGE_SIZE;
const BUF = 4 * 2 ** 20;
/** Iterations of a loop, so that a scenario ends. */
const REPEAT_MAX = 4096;

/** What chose this run of a scenario. */
export interface ScenarioChoice {
  /** Name of the variant: hmm_device_private, hmm2_device_coherent … */
  readonly variant: string;
  /** Values of the scenario's parameters. */
  readonly params: Readonly<Record<string, number>>;
}

/** Runs one scenario of the HMM self-test and holds what is seen against what is expected. */
export class ScenarioRun implements RunContext {
  readonly findings: Finding[] = [];
  readonly answers: StepAnswer[] = [];
  readonly values = new Map<string, number>();
  /** The child of the last fork. */
  child: ScenarioProcess | null = null;
  /** What each step returned when it ran last, by its id. */
  private readonly returns = new Map<string, number>();
  private readonly expected: readonly Step[];

  constructor(
    readonly on: ScenarioMachine,
    private readonly kase: JsonObject,
    readonly choice: ScenarioChoice,
  ) {
    this.expected = stepsOf(kase.expected);
    for (const [name, value] of Object.entries(choice.params)) this.values.set(name, value);
  }

  run(): void {
    const { machine } = this.on;
    const task = machine.createTask('self', machine.nodes.nidOfCpu(0));
    const main = new ScenarioProcess('parent', task);
    this.steps(stepsOf(this.kase.setup), main);
    main.end({ code: 0 });
    this.child?.end({ code: 0 });
    machine.verify();
  }

  /** Runs steps until the process ends. */
  steps(steps: readonly Step[], process: ScenarioProcess): void {
    for (const step of steps) if (process.ending === null) this.step(step, process);
  }

  private step(step: Step, process: ScenarioProcess): void {
    const observed = nothingObserved();
    switch (step.op) {
      case 'when':
        if (this.holds(step.text('cond', '1'))) this.steps(stepsOf(step.get('steps')), process);
        break;
      case 'repeat':
        this.repeat(step, process);
        break;
      case 'for_each':
        this.forEach(step, process);
        break;
      case 'parallel':
        this.parallel(step, process);
        break;
      case 'let':
        this.let(step);
        break;
      case 'fork':
        this.fork(step, process);
        break;
      default:
        this.perform(step, process, observed);
    }
    this.check(step, process, observed);
  }

  private perform(step: Step, process: ScenarioProcess, observed: Observed): void {
    const op = Object.hasOwn(SCENARIO_OPS, step.op) ? SCENARIO_OPS[step.op] : undefined;
    if (op === undefined) throw new StepError(`unknown op ${step.op}`);
    this.on.machine.work.runAs(process.task.struct);
    op({ step, process, observed, run: this });
    this.on.machine.spend();
  }

  private repeat(step: Step, process: ScenarioProcess): void {
    const times = Math.min(REPEAT_MAX, this.number(step, 'times', 1));
    for (let at = 0; at < times; at++) {
      this.values.set(step.text('var', 'c'), at);
      this.steps(stepsOf(step.get('steps')), process);
    }
  }

  private forEach(step: Step, process: ScenarioProcess): void {
    for (const value of step.list('in')) {
      this.values.set(step.text('var', 'x'), this.valueOf(value));
      this.steps(stepsOf(step.get('steps')), process);
    }
  }

  /** Threads: one after the other is one of the orders that may happen. */
  private parallel(step: Step, process: ScenarioProcess): void {
    for (const key of step.keys()) {
      const found = step.get(key);
      if (!isArray(found)) continue;
      for (const branch of found) {
        if (isArray(branch)) this.steps(stepsOf(branch), process);
        else if (isObject(branch) && isArray(branch.steps))
          this.steps(stepsOf(branch.steps), process);
        else if (isObject(branch) && 'op' in branch) this.steps([new Step(branch)], process);
      }
    }
  }

  private let(step: Step): void {
    for (const key of step.keys()) {
      if (['id', 'op'].includes(key)) continue;
      this.values.set(key, this.valueOf(step.get(key) ?? 0));
      if (key === 'npages') this.values.set('size', (this.values.get(key) ?? 0) * PAGE_SIZE);
    }
  }

  /** The child's steps come first, then the parent's. */
  private fork(step: Step, process: ScenarioProcess): void {
    const task = process.task.fork('child');
    if (typeof task === 'number') throw new StepError(`fork failed with ${task}`);
    const child = new ScenarioProcess('child', task).inherit(process);
    this.child = child;
    this.steps(stepsOf(step.get('child')), child);
    this.steps(stepsOf(step.get('parent')), process);
  }

  private check(step: Step, process: ScenarioProcess, observed: Observed): void {
    const id = step.text('id', '');
    const buffer = process.buffers.get(step.text('buf', '')) ?? null;
    const scope = (text: string): number => this.evaluate(text, { buffer, observed });
    this.returns.set(id, observed.rc);
    this.answers.push({ op: step.op, result: { id, ret: observed.rc, cpages: observed.cpages } });
    for (const expected of this.expected) {
      if (expected.text('after', '') !== id || !this.applies(expected, process, scope)) continue;
      const wrong = judge(expected, {
        process,
        observed,
        buffer,
        evaluate: scope,
        values: this.values,
      });
      if (wrong !== null) this.findings.push({ step: id, ...wrong, ...this.told(wrong) });
    }
  }

  /** Which combination of parameters it was. */
  private told(wrong: Omit<Finding, 'step'>): Pick<Finding, 'field'> {
    const params = Object.entries(this.choice.params).map(([name, value]) => `${name}=${value}`);
    return { field: [wrong.field, ...params].join(' ') };
  }

  private applies(
    expected: Step,
    process: ScenarioProcess,
    scope: (text: string) => number,
  ): boolean {
    if (expected.has('asserted') && expected.get('asserted') === false) return false;
    if (expected.has('variant') && expected.text('variant', '') !== this.choice.variant)
      return false;
    if (expected.has('process') && expected.text('process', '') !== process.name) return false;
    return !expected.has('when') || scope(expected.text('when', '1')) !== 0;
  }

  holds(condition: string): boolean {
    return this.evaluate(condition, {}) !== 0;
  }

  /** A number or an expression of a step. */
  number(step: Step, key: string, otherwise: number, buffer: Buffer | null = null): number {
    const found = step.get(key);
    return found === undefined ? otherwise : this.valueOf(found, buffer);
  }

  /** One of two words that a condition chooses: `thp ? hugepage : nohugepage`. */
  word(text: string): string {
    const match = /^(.*)\?\s*(\S+)\s*:\s*(\S+)$/.exec(text);
    if (match === null) return text;
    return this.holds(match[1] ?? '') ? (match[2] ?? '') : (match[3] ?? '');
  }

  private valueOf(found: Json, buffer: Buffer | null = null): number {
    if (typeof found === 'number') return found;
    if (typeof found === 'boolean') return Number(found);
    return typeof found === 'string' ? this.evaluate(found, { buffer }) : 0;
  }

  private evaluate(
    text: string,
    near: { readonly buffer?: Buffer | null; readonly observed?: Observed },
  ): number {
    const buffer = near.buffer ?? null;
    const asked = near.observed?.npages ?? 0;
    return evaluate(text, (name) => {
      const known = this.values.get(name);
      if (known !== undefined) return known;
      if (name === 'npages' && asked > 0) return asked;
      if (name === 'npages' && buffer !== null) return buffer.size / PAGE_SIZE;
      if (/^\w+\.start$/.test(name)) return buffer?.start;
      if (/^\w+\.size$/.test(name)) return buffer?.size;
      return this.returned(name, near.observed) ?? this.constant(name);
    });
  }

  /** `return`: of the step that is looked at; `dread.return`: of another one, when it ran last. */
  private returned(name: string, observed: Observed | undefined): number | undefined {
    if (name === 'return') return observed?.rc;
    const step = /^(\w+)\.return$/.exec(name)?.[1];
    return step === undefined ? undefined : this.returns.get(step);
  }

  private constant(name: string): number | undefined {
    const isPrivate = this.choice.variant.endsWith('private');
    const first = isPrivate ? 0 : 2;
    const constants: Readonly<Record<string, number>> = {
      BUF,
      PMD,
      PAGE: PAGE_SIZE,
      default_hugepage: PMD,
      variant: isPrivate ? 0 : 1,
      private: 0,
      coherent: 1,
      hmm_device_private: 0,
      hmm_device_coherent: 1,
      'variant.device_number': first,
      'variant.device_number0': first,
      'variant.device_number1': first + 1,
      true: 1,
      false: 0,
    };
    return Object.hasOwn(constants, name) ? constants[name] : undefined;
  }
}

/** The steps of a list. */
export function stepsOf(list: Json | undefined): readonly Step[] {
  if (!isArray(list)) return [];
  return list.filter(isObject).map((fields) => new Step(fields));
}
