import { fileURLToPath } from 'node:url';

/**
 * Where the repository's own copy of a file of the set would be: machines are described there for
 * cases that come without a description. Nothing if the package was installed alone.
 */
export function bundledConformance(path: string): readonly string[] {
  return [fileURLToPath(new URL(`../../../../conformance/cases/${path}`, import.meta.url))];
}
