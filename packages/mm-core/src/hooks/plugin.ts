import type { Services } from '../base/di.js';

/**
 * A plugin: an object with a name, returned by a function of its options. The array of an
 * experiment is the whole configuration; the name is in every error.
 */
export interface Plugin {
  readonly name: string;
  /**
   * Binds services. Nothing exists yet: only `services.bind` and `services.bindValue` may be
   * called.
   */
  register?(services: Services): void;
  /**
   * Claims memory, registers ops, subscribes. Everything is bound; runs in the order of the array.
   */
  probe?(services: Services): void;
  /** Undoes `probe`, in reverse order. */
  remove?(services: Services): void;
  /** Counters for the results, by dotted name. */
  stats?(services: Services): Readonly<Record<string, number>>;
}
