import { testDiscussed } from '../discussion.ts';

testDiscussed('cram');
