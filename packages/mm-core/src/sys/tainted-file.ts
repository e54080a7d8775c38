import { inject, injectable } from '../base/di.js';
import { type Warnings, WarningsToken } from '../hooks/warnings.js';
import { numberFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

/** Did the kernel complain about itself (/proc/sys/kernel/tainted)? */
@injectable()
export class TaintedFile implements PseudoFileSource {
  constructor(@inject(WarningsToken) private readonly warnings: Warnings) {}

  addTo(files: PseudoFiles): void {
    files.add('/proc/sys/kernel/tainted', numberFile({ get: () => this.warnings.tainted }));
  }
}
