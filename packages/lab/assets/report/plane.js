// A plane of a figure: cells at two columns, coloured by a third, and curves over them.

const { format, options } = globalThis.mmLab;

/** Frame of the plot inside its element, in pixels. */
const FRAME = { left: 64, right: 24, top: 48, bottom: 52 };
const SHADES = 5;
const DASHES = ['solid', 'dashed', 'dotted'];

/** @param size width and height of the element, in pixels */
function optionOf(theme, { chart, columns, rows }, size) {
  const [x, y, colour] = [chart.x, chart.y, chart.colour].map((name) => columns.indexOf(name));
  const across = scaleOf(new Set(rows.map((row) => row[x])), chart.xLog);
  const up = scaleOf(new Set(rows.map((row) => row[y])), chart.yLog);
  const cell = [
    Math.ceil((size.width - FRAME.left - FRAME.right) / across.cells),
    Math.ceil((size.height - FRAME.top - FRAME.bottom) / up.cells),
  ];
  const kinds = kindsOf(
    rows.map((row) => row[colour]),
    chart.colour,
  );
  const cells = kinds.map(({ name, has }, index) => ({
    type: 'scatter',
    name,
    symbol: 'rect',
    symbolSize: cell,
    color: colourOf(theme, { name, index, count: kinds.length, bad: chart.bad }),
    emphasis: { disabled: true },
    data: rows.filter((row) => has(row[colour])).map((row) => [row[x], row[y], row[colour]]),
  }));
  const curves = (chart.curves ?? []).map(({ name, points }, index) => ({
    type: 'line',
    name,
    color: theme.ink,
    lineStyle: { width: 2.5, type: DASHES[index % DASHES.length] },
    showSymbol: false,
    emphasis: { disabled: true },
    tooltip: { show: false },
    z: 4,
    data: points,
  }));
  return {
    ...options.base(theme),
    tooltip: {
      ...options.base(theme).tooltip,
      trigger: 'item',
      formatter: ({ value }) => tip(chart, value),
    },
    legend: {
      top: 0,
      left: 0,
      type: 'scroll',
      textStyle: { color: theme.soft },
      data: [...cells.map(({ name }) => ({ name })), ...curves.map(lineOnly)],
    },
    grid: FRAME,
    xAxis: axisOf(theme, across, { name: chart.xTitle ?? chart.x, nameGap: 28 }),
    yAxis: axisOf(theme, up, { name: chart.yTitle ?? chart.y, nameGap: 44 }),
    series: [...cells, ...curves],
  };
}

/** A curve has no points: its entry of the legend shows none. */
function lineOnly({ name }) {
  return { name, itemStyle: { opacity: 0 } };
}

function axisOf(theme, { type, min, max, values }, naming) {
  const axis = options.axis(theme, {
    type,
    min,
    max,
    ...naming,
    nameLocation: 'middle',
    splitLine: { show: false },
    format: format.count,
  });
  return { ...axis, axisLabel: { ...axis.axisLabel, customValues: values } };
}

/**
 * Half a cell more than the values at either end, so that the outermost cells are whole. Labels
 * stand at the values that there are cells of.
 */
function scaleOf(values, isLog) {
  const sorted = [...values].sort((a, b) => a - b);
  const [forth, back] = isLog ? [Math.log10, (value) => 10 ** value] : [Number, Number];
  const [low, high] = [forth(sorted[0]), forth(sorted.at(-1))];
  const cells = sorted.length;
  const half = cells > 1 ? (high - low) / (cells - 1) / 2 : 0.5;
  return {
    type: isLog ? 'log' : 'value',
    min: back(low - half),
    max: back(high + half),
    cells,
    values: sorted,
  };
}

/** Words are kinds in the order they come; numbers fall into shades, 0 into one of its own. */
function kindsOf(values, title) {
  if (values.some((value) => typeof value !== 'number')) {
    return [...new Set(values)].map((name) => ({ name, has: (value) => value === name }));
  }
  const most = Math.max(...values);
  const least = Math.min(0, ...values);
  const step = (most - least) / SHADES;
  const shades = Array.from({ length: step > 0 ? SHADES : 0 }, (_, at) => {
    const [from, to] = [least + at * step, least + (at + 1) * step];
    const name = `${format.plain(from)}–${format.plain(to)}`;
    const isLast = at === SHADES - 1;
    return { name, has: (value) => value !== 0 && value >= from && (isLast || value < to) };
  });
  return [{ name: `${title}: 0`, has: (value) => value === 0 }, ...shades];
}

function colourOf(theme, { name, index, count, bad }) {
  if (bad?.includes(name)) return theme.bad;
  if (count === SHADES + 1 && bad === undefined) return mix(theme.card, theme.bad, index / SHADES);
  return theme.fills[index % theme.fills.length];
}

/** Between two colours #rrggbb: `share` of the second. */
function mix(first, second, share) {
  const parts = [1, 3, 5].map((at) => {
    const [a, b] = [first, second].map((colour) => Number.parseInt(colour.slice(at, at + 2), 16));
    return Math.round(a + (b - a) * share)
      .toString(16)
      .padStart(2, '0');
  });
  return `#${parts.join('')}`;
}

function tip(chart, [x, y, value]) {
  const said = typeof value === 'number' ? format.plain(value) : value;
  const at = `${chart.x} ${format.plain(x)}<br>${chart.y} ${format.plain(y)}`;
  return `${at}<br>${chart.colour} ${said}`;
}

globalThis.mmLab.plane = { optionOf };
