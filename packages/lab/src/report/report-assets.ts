import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Html } from './html.js';

const FOLDER = new URL('../../assets/report/', import.meta.url);

/** Scripts of the page, in the order in which they need each other. */
const SCRIPTS = [
  'format.js',
  'theme.js',
  'options.js',
  'plane.js',
  'bars.js',
  'figures.js',
  'page.js',
] as const;

/** What the page carries inside itself. */
export interface ReportAssets {
  readonly style: Html;
  readonly library: Html;
  /** The page's own modules. */
  readonly modules: readonly Html[];
}

/** Reads the page's style and scripts, and ECharts out of its package. */
export function reportAssets(): ReportAssets {
  const require = createRequire(import.meta.url);
  // The `common` build has lines, bars, cells and the SVG painter: what we draw, at two thirds of
  // the size.
  const library = readFileSync(require.resolve('echarts/dist/echarts.common.min.js'), 'utf8');
  const own = SCRIPTS.map((name) => readFileSync(new URL(name, FOLDER), 'utf8'));
  const style = new Html(readFileSync(new URL('report.css', FOLDER), 'utf8'));
  return { style, library: inlineScript(library), modules: own.map(inlineScript) };
}

/** A script must not close its own element. */
function inlineScript(source: string): Html {
  return new Html(
    source.replace(/<\/(script)/gi, '<\\/$1').replace(/\n\/\/# sourceMappingURL=.*/g, ''),
  );
}
