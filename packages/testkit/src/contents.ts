import { PageData, type Plugin } from '@mm-lab/mm-core';

/** Plugin: what pages hold. */
export function contentsOf(data: PageData): Plugin {
  return { name: 'contents', register: (services) => services.bindValue(PageData, data) };
}
