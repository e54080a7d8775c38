import { EACCES, EINVAL } from '../abi/errno.js';
import type { TaskStruct } from '../mem/task-struct.js';

/**
 * A file of /proc, /sys or a control group: text that a getter prints and a setter parses. Both act
 * for the task that opened it, or for the superuser outside every case when there is none.
 */
export interface PseudoFile {
  /** What a read finds, without the last newline, or -errno; absent: not readable. */
  readonly read?: (task: TaskStruct | null) => string | number;
  /** @returns 0 or -errno; absent: not writable */
  readonly write?: (text: string, task: TaskStruct | null) => number;
}

/** A number with its limits, both included (proc_dointvec_minmax, a sysfs `kstrto*`). */
export interface NumberFile {
  readonly get: () => number;
  /** Takes a number within the limits. @returns 0 or -errno; nothing for 0 */
  readonly set?: (value: number) => number | undefined;
  readonly min?: number;
  readonly max?: number;
}

/** A file that holds one decimal number: -EINVAL for other text and outside of its limits. */
export function numberFile({ get, set, min = 0, max = 2 ** 31 - 1 }: NumberFile): PseudoFile {
  const read = (): string => String(get());
  if (set === undefined) return { read };
  return {
    read,
    write: (text) => {
      const value = parseNumber(text);
      if (value === null || value < min || value > max) return -EINVAL;
      return set(value) ?? 0;
    },
  };
}

/** A file that holds true or false, with the words of lib/kstrtox.c:kstrtobool. */
export function booleanFile(
  get: () => boolean,
  set: (value: boolean) => void,
  [no, yes]: readonly [string, string] = ['false', 'true'],
): PseudoFile {
  return {
    read: () => (get() ? yes : no),
    write: (text) => {
      const value = parseBoolean(text);
      if (value === null) return -EINVAL;
      set(value);
      return 0;
    },
  };
}

/** A file that lists its choices with the chosen one in brackets; one is chosen by its name. */
export function choiceFile<T extends string>(
  choices: readonly T[],
  get: () => T,
  set: (choice: T) => void,
): PseudoFile {
  return {
    read: () => choices.map((choice) => (choice === get() ? `[${choice}]` : choice)).join(' '),
    write: (text) => {
      const word = text.trim();
      const choice = choices.find((known) => known === word);
      if (choice === undefined) return -EINVAL;
      set(choice);
      return 0;
    },
  };
}

/** A file that only reads. */
export function textFile(read: () => string): PseudoFile {
  return { read };
}

/** A file that only takes a word, whatever it says, and does something. */
export function actionFile(run: (text: string, task: TaskStruct | null) => number): PseudoFile {
  return { write: run };
}

/** What opening a file for the wrong thing says. */
export const NOT_ALLOWED = -EACCES;

/** A decimal, octal or hexadecimal number with nothing behind it but a newline, or null. */
export function parseNumber(text: string): number | null {
  const word = text.trim();
  if (!/^[+-]?(?:0[xX][0-9a-fA-F]+|\d+)$/.test(word)) return null;
  const digits = word.replace(/^[+-]/, '');
  const isOctal = /^0[0-7]+$/.test(digits);
  const value = isOctal ? Number.parseInt(digits, 8) : Number(digits);
  return word.startsWith('-') ? -value : value;
}

function parseBoolean(text: string): boolean | null {
  const first = text.charAt(0).toLowerCase();
  if (first === 'o') {
    const second = text.charAt(1).toLowerCase();
    if (second === 'n') return true;
    return second === 'f' ? false : null;
  }
  if ('yt1'.includes(first) && first !== '') return true;
  return 'nf0'.includes(first) && first !== '' ? false : null;
}
