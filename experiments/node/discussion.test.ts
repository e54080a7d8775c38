import { testDiscussed } from '../discussion.ts';
import { DOCTORED } from './broken.ts';

testDiscussed('node', DOCTORED);
