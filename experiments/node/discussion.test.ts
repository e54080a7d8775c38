import { testDiscussed } from '../discussion.ts';

testDiscussed('node');
