import type { SyscallCase } from './conform-case.js';
import type { Finding, StepAnswer } from './outcome.js';

/** Runs a case of system calls. */
export function runSyscallCase(found: SyscallCase): {
  readonly findings: readonly Finding[];
  readonly steps: readonly StepAnswer[];
} {
  const message = `not yet: system call cases (${found.family})`;
  const finding: Finding = { step: '', field: '', kernel: undefined, model: undefined, message };
  return { findings: [finding], steps: [] };
}
