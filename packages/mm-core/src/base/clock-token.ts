import type { Clock } from './clock.js';
import { createToken } from './di.js';

/** The machine's clock. */
export const ClockToken = createToken<Clock>('Clock');
