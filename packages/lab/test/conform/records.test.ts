import { describe } from 'vitest';
import { checkFamilies } from './known-set.js';

describe('scenarios end as the kernel was recorded ending them', () => {
  checkFamilies(({ family }) => !family.startsWith('syscall/'));
});
