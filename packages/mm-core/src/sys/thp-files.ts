import { PMD_ORDER } from '../abi/zone.js';
import { inject, injectable } from '../base/di.js';
import { type Khugepaged, KhugepagedToken } from '../mm/khugepaged.js';
import {
  type KhugepagedSettings,
  SHMEM_ENABLED,
  SHMEM_SIZE_ENABLED,
  THP_DEFRAG,
  THP_ENABLED,
  THP_SIZE_ENABLED,
  type ThpSettings,
  ThpSettingsToken,
} from '../mm/thp-settings.js';
import { booleanFile, choiceFile, numberFile, textFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const FOLDER = '/sys/kernel/mm/transparent_hugepage';
/** Entries of a page table, less one: the largest limit of khugepaged. */
const MAX_PTES = (1 << PMD_ORDER) - 1;
const ZERO_ONE = ['0', '1'] as const;
/** Smallest order that has a folder. */
const ORDER_MIN = 2;

/** Files of transparent huge pages (mm/huge_memory.c, mm/khugepaged.c). */
@injectable()
export class ThpFiles implements PseudoFileSource {
  constructor(
    @inject(ThpSettingsToken) private readonly thp: ThpSettings,
    @inject(KhugepagedToken) private readonly khugepaged: Khugepaged,
  ) {}

  addTo(files: PseudoFiles): void {
    this.addSwitches(files);
    for (let order = ORDER_MIN; order <= PMD_ORDER; order++) this.addSize(files, order);
    for (let order = 1; order <= PMD_ORDER; order++) this.addShmemSize(files, order);
    this.addKhugepaged(files);
  }

  private addSwitches(files: PseudoFiles): void {
    const { thp } = this;
    const enabled = choiceFile(
      THP_ENABLED,
      () => thp.enabled,
      (choice) => {
        thp.enabled = choice;
      },
    );
    const defrag = choiceFile(
      THP_DEFRAG,
      () => thp.defrag,
      (choice) => {
        thp.defrag = choice;
      },
    );
    const shmem = choiceFile(
      SHMEM_ENABLED,
      () => thp.shmem_enabled,
      (choice) => thp.setShmemEnabled(choice),
    );
    files.add(`${FOLDER}/enabled`, enabled);
    files.add(`${FOLDER}/defrag`, defrag);
    files.add(`${FOLDER}/shmem_enabled`, shmem);
    this.addFlag(files, 'use_zero_page', thp, 'use_zero_page');
    this.addFlag(files, 'shrink_underused', thp, 'shrink_underused');
    files.add(
      `${FOLDER}/hpage_pmd_size`,
      textFile(() => String(4096 << PMD_ORDER)),
    );
  }

  private addSize(files: PseudoFiles, order: number): void {
    const { sizes } = this.thp;
    const file = choiceFile(
      THP_SIZE_ENABLED,
      () => sizes.get(order) ?? 'never',
      (choice) => {
        sizes.set(order, choice);
      },
    );
    files.add(`${FOLDER}/hugepages-${4 << order}kB/enabled`, file);
  }

  /** Only a file's folio may have order 1. */
  private addShmemSize(files: PseudoFiles, order: number): void {
    const { shmemSizes } = this.thp;
    const file = choiceFile(
      SHMEM_SIZE_ENABLED,
      () => shmemSizes.get(order) ?? 'never',
      (choice) => {
        shmemSizes.set(order, choice);
      },
    );
    files.add(`${FOLDER}/hugepages-${4 << order}kB/shmem_enabled`, file);
  }

  private addKhugepaged(files: PseudoFiles): void {
    const { khugepaged } = this.thp;
    this.addFlag(files, 'khugepaged/defrag', khugepaged, 'defrag');
    const wake = (): void => this.khugepaged.wake();
    this.addNumber(files, 'pages_to_scan', { min: 1, max: 2 ** 32 - 1 });
    this.addNumber(files, 'scan_sleep_millisecs', { min: 0, max: 2 ** 32 - 1, wake });
    this.addNumber(files, 'alloc_sleep_millisecs', { min: 0, max: 2 ** 32 - 1, wake });
    this.addNumber(files, 'max_ptes_none', { min: 0, max: MAX_PTES });
    this.addNumber(files, 'max_ptes_swap', { min: 0, max: MAX_PTES });
    this.addNumber(files, 'max_ptes_shared', { min: 0, max: MAX_PTES });
    const { counts } = this.khugepaged;
    for (const name of ['pages_collapsed', 'full_scans'] as const) {
      files.add(
        `${FOLDER}/khugepaged/${name}`,
        textFile(() => String(counts[name])),
      );
    }
  }

  /** A file that holds 0 or 1 (single_hugepage_flag_store). */
  private addFlag<Name extends string>(
    files: PseudoFiles,
    path: string,
    owner: Record<Name, boolean>,
    name: Name,
  ): void {
    const file = booleanFile(
      () => owner[name],
      (value) => {
        owner[name] = value;
      },
      ZERO_ONE,
    );
    files.add(`${FOLDER}/${path}`, file);
  }

  private addNumber(files: PseudoFiles, name: NumberName, limits: Limits): void {
    const { khugepaged } = this.thp;
    const file = numberFile({
      get: () => khugepaged[name],
      set: (value) => {
        khugepaged[name] = value;
        limits.wake?.();
        return 0;
      },
      min: limits.min,
      max: limits.max,
    });
    files.add(`${FOLDER}/khugepaged/${name}`, file);
  }
}

type NumberName = Exclude<keyof KhugepagedSettings, 'defrag'>;

interface Limits {
  readonly min: number;
  readonly max: number;
  readonly wake?: () => void;
}
