import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { tempPath } from './temp-file.js';
import { outcomeOf } from './trace-failure.js';

/** Reads copies of a good file with a few bytes changed: it parses or is refused, nothing else. */
export async function readDamaged(
  good: string,
  name: string,
  read: (path: string) => Promise<unknown>,
): Promise<void> {
  const edit = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255) });
  const property = fc.asyncProperty(fc.array(edit, { maxLength: 4 }), async (edits) => {
    const damaged = Buffer.from(good);
    for (const { at, byte } of edits) damaged[at] = byte;
    const path = tempPath(name);
    writeFileSync(path, damaged);
    await outcomeOf(() => read(path));
  });
  await fc.assert(property, { numRuns: 120 });
}
