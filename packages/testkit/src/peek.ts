import type { Plugin, Services } from '@mm-lab/mm-core';

/** A plugin that does nothing but let a test look at the services of its machine. */
export class Peek implements Plugin {
  readonly name = 'peek';
  private found: Services | null = null;

  probe(services: Services): void {
    this.found = services;
  }

  /** Those of the machine that it is a plugin of, once that is made. */
  get services(): Services {
    if (this.found === null) throw new Error('no machine has probed this plugin');
    return this.found;
  }
}
