import { describe } from 'vitest';
import { checkFamilies } from './known-set.js';

describe('system calls do what suites, manual pages and source say', () => {
  checkFamilies(({ family }) => family.startsWith('syscall/'));
});
