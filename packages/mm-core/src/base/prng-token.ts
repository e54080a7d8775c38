import { createToken } from './di.js';
import type { Prng } from './prng.js';

/** The machine's source of chance. */
export const PrngToken = createToken<Prng>('Prng');
