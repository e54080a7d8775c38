import { MmError } from '@mm-lab/mm-core';

/** @throws MmError NODE_REFUSED if a driver's probe or remove came to an error */
export function mustSucceed(plugin: string, rc: number): void {
  if (rc < 0) throw new MmError('NODE_REFUSED', { plugin, errno: -rc });
}
