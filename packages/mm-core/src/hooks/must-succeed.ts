import { MmError } from './errors.js';

/**
 * What a driver does at probe or remove with an error that it cannot live with.
 *
 * @throws MmError NODE_REFUSED if `rc` is below 0
 */
export function mustSucceed(plugin: string, rc: number, detail?: string): void {
  if (rc >= 0) return;
  throw new MmError('NODE_REFUSED', {
    plugin,
    errno: -rc,
    ...(detail === undefined ? {} : { detail }),
  });
}
