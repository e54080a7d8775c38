import { testDiscussed } from '../discussion.ts';

testDiscussed('coherent');
