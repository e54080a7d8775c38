// Numbers as the report writes them.

function scaled(value, units, step) {
  let unit = 0;
  let rest = value;
  while (Math.abs(rest) >= step && unit < units.length - 1) {
    rest /= step;
    unit += 1;
  }
  return `${Number(rest.toPrecision(3))}${units[unit]}`;
}

const count = (value) => scaled(value, ['', ' k', ' M', ' G', ' T'], 1000);
const bytes = (value) => scaled(value, [' B', ' KiB', ' MiB', ' GiB', ' TiB'], 1024);
const ns = (value) => scaled(value, [' ns', ' µs', ' ms', ' s'], 1000);
const pages = (value) => bytes(value * 4096);
const plain = (value) => String(Number(value.toPrecision(3)));
/** A cell of a table: whole numbers in full, as the terminal and `results.json` have them. */
const cell = (value) => (Number.isInteger(value) ? String(value) : plain(value));
const percent = (share) => `${plain(share * 100)} %`;

/** Tail shares are small: 1 in so many. */
function share(value) {
  return value >= 0.01 ? percent(value) : `1 in ${count(1 / value)}`;
}

globalThis.mmLab = { format: { cell, count, bytes, ns, pages, plain, percent, share } };
