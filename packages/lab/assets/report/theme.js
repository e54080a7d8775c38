// Colours: one for each variant, the same in every chart; bounds are grey and broken.

const LIGHT = [
  '#2f6fc4',
  '#c76a17',
  '#1f8a63',
  '#a8397f',
  '#6a58c9',
  '#b5342c',
  '#2b8fa8',
  '#7d7420',
];
const DARK = [
  '#79aef2',
  '#f0a35e',
  '#63cba2',
  '#e58fc4',
  '#aa9df2',
  '#f28b82',
  '#6cc7dc',
  '#cfc56a',
];
const NODES_LIGHT = ['#7f9cc9', '#e0a871', '#8dbfa8', '#c49ab5'];
const NODES_DARK = ['#5d7fb5', '#b98049', '#5f9c82', '#a0718f'];
const BOUND_DASHES = ['dashed', 'dotted', [8, 3, 2, 3]];

const printing = matchMedia('print');
const prefersDark = matchMedia('(prefers-color-scheme: dark)');

function isDark() {
  return prefersDark.matches && !printing.matches && !globalThis.mmLab.forcePrint;
}

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** The theme now: read again after every change of scheme or medium. */
function current() {
  const dark = isDark();
  const light = globalThis.mmLab.forcePrint && !printing.matches;
  return {
    ink: light ? '#000000' : css('ink'),
    soft: light ? '#4a4f55' : css('soft'),
    rule: light ? '#d5d6d2' : css('rule'),
    card: light ? '#ffffff' : css('card'),
    bad: light ? '#96201a' : css('bad'),
    fills: dark ? NODES_DARK : NODES_LIGHT,
    styleOf: (variants, name) => styleOf(variants, name, dark),
  };
}

function styleOf(variants, name, dark) {
  const rivals = variants.filter((variant) => !variant.bound);
  const bounds = variants.filter((variant) => variant.bound);
  const at = rivals.findIndex((variant) => variant.name === name);
  if (at >= 0) {
    const colours = dark ? DARK : LIGHT;
    return {
      color: colours[at % colours.length],
      dash: at < colours.length ? 'solid' : 'dashed',
    };
  }
  const bound = bounds.findIndex((variant) => variant.name === name);
  return { color: dark ? '#8b949e' : '#7b838c', dash: BOUND_DASHES[bound % 3] ?? 'dashed' };
}

globalThis.mmLab.theme = { current, printing, prefersDark };
