import { createToken } from '../base/di.js';

/** Knows folios that an owner took off a list and left in nobody's hands. */
export interface StrayFolios {
  /** Is the folio isolated, with no migration of it under way? */
  isStray(folio: number): boolean;
}
export const StrayFoliosToken = createToken<StrayFolios>('StrayFolios');
