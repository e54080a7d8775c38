// Every generated page by its path: one list for the generator and for the test that it was run.

import { errorsPage } from './errors-page.mjs';
import { hooksPage } from './hooks-page.mjs';

/** @param packages what the packages of these names export */
export function generatedPages({ core, workloads, nodePrivate, lab }) {
  const { ERRORS } = core;
  const { TRACE_ERRORS } = workloads;
  const { LAB_ERRORS } = lab;
  return {
    'docs/hooks.md': hooksPage(core, nodePrivate, lab.hookMap()),
    'docs/errors.md': errorsPage({ ERRORS, TRACE_ERRORS, LAB_ERRORS }),
  };
}
