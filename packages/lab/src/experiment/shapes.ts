import { z } from 'zod';

const NAME = /^[a-z0-9][a-z0-9-]*$/;
const SEED_MAX = 2 ** 31 - 1;

export const nameShape = z
  .string()
  .max(60)
  .regex(NAME, 'must be lower-case letters, digits and hyphens, as in `zone-device`');
export const text = z.string().min(1, 'must say something').max(2000);
export const fn = z.custom((value) => typeof value === 'function', 'must be a function');
export const seedShape = z.int().min(0).max(SEED_MAX);
export const paramsShape = z.record(z.string(), z.number());
export const claimsShape = z.array(z.strictObject({ text, holds: fn }));
