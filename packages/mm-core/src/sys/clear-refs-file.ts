import { EINVAL } from '../abi/errno.js';
import { inject, injectable } from '../base/di.js';
import { type ClearRefs, ClearRefsToken } from '../mm/clear-refs.js';
import { actionFile, parseNumber } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

/** /proc/self/clear_refs of whoever writes it. */
@injectable()
export class ClearRefsFile implements PseudoFileSource {
  constructor(@inject(ClearRefsToken) private readonly clearRefs: ClearRefs) {}

  addTo(files: PseudoFiles): void {
    files.add(
      '/proc/self/clear_refs',
      actionFile((text, task) => {
        const type = parseNumber(text);
        if (type === null || task === null) return -EINVAL;
        return this.clearRefs.write(task.mm, type);
      }),
    );
  }
}
