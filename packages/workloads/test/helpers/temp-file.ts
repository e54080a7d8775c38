import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

let folder: string | undefined;

/** Path in a folder of this test file's own, removed at its end. */
export function tempPath(name: string): string {
  folder ??= mkdtempSync(join(tmpdir(), 'mm-lab-workloads-'));
  return join(folder, name);
}

/** Writes a file into that folder. */
export function tempFile(name: string, contents: string | Uint8Array): string {
  const path = tempPath(name);
  writeFileSync(path, contents);
  return path;
}

afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});
