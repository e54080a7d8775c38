import { ENOENT } from '../abi/errno.js';
import { inject, injectable } from '../base/di.js';
import { MmError } from '../hooks/errors.js';
import { type Zswap, ZswapToken } from '../mm/zswap.js';
import { checkZswap, ZswapParams } from '../mm/zswap-params.js';
import { booleanFile, numberFile, type PseudoFile, textFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const PARAMETERS = '/sys/module/zswap/parameters';
const DEBUG = '/sys/kernel/debug/zswap';
const UINT_MAX = 2 ** 32 - 1;
const NO_YES = ['N', 'Y'] as const;

/** Parameters and counters of zswap (mm/zswap.c: module_param, zswap_debugfs_init). */
@injectable()
export class ZswapFiles implements PseudoFileSource {
  constructor(
    @inject(ZswapParams) private readonly params: ZswapParams,
    @inject(ZswapToken) private readonly zswap: Zswap,
  ) {}

  addTo(files: PseudoFiles): void {
    const { params, zswap } = this;
    const add = (name: string, file: PseudoFile): void => files.add(`${PARAMETERS}/${name}`, file);
    add(
      'enabled',
      booleanFile(
        () => params.enabled,
        (value) => zswap.setEnabled(value),
        NO_YES,
      ),
    );
    add(
      'shrinker_enabled',
      booleanFile(
        () => params.shrinker_enabled,
        (value) => {
          params.shrinker_enabled = value;
        },
        NO_YES,
      ),
    );
    add('compressor', this.compressorFile());
    for (const name of ['max_pool_percent', 'accept_threshold_percent'] as const) {
      add(name, this.percentFile(name));
    }
    for (const [name, read] of Object.entries(zswap.debug)) {
      files.add(
        `${DEBUG}/${name}`,
        textFile(() => String(read())),
      );
    }
  }

  /** Any number goes, also above 100. */
  private percentFile(name: 'max_pool_percent' | 'accept_threshold_percent'): PseudoFile {
    return numberFile({
      get: () => this.params[name],
      set: (value) => {
        this.params[name] = value;
        return 0;
      },
      max: UINT_MAX,
    });
  }

  /** zswap_compressor_param_set: -ENOENT none of that name; old pages stay in their pool. */
  private compressorFile(): PseudoFile {
    return {
      read: () => this.params.compressor,
      write: (text) => {
        const compressor = text.trim();
        try {
          checkZswap({ compressor });
        } catch (error) {
          if (error instanceof MmError) return -ENOENT;
          throw error;
        }
        this.params.compressor = compressor;
        return 0;
      },
    };
  }
}
