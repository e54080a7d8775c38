// Bars of a figure: a group for each row, a bar in it for each column.

const { format, options } = globalThis.mmLab;

/** Thickness of a bar, room between groups, and of legend and axis, in pixels. */
const BAR = 12;
const GAP = 10;
const AROUND = 104;

/** Height that the plot needs. */
function heightOf({ chart, rows }) {
  return AROUND + rows.length * (BAR * chart.y.length + GAP);
}

function optionOf(theme, { chart, columns, rows }) {
  const words = chart.x.map((name) => columns.indexOf(name));
  return {
    ...options.base(theme),
    tooltip: { ...options.base(theme).tooltip, trigger: 'axis', axisPointer: { type: 'shadow' } },
    legend: { top: 0, left: 0, type: 'scroll', textStyle: { color: theme.soft } },
    grid: { left: 8, right: 32, top: 36, bottom: 40, containLabel: true },
    xAxis: options.axis(theme, {
      type: chart.log ? 'log' : 'value',
      name: chart.title ?? '',
      nameLocation: 'middle',
      nameGap: 28,
      format: format.count,
    }),
    yAxis: options.axis(theme, {
      type: 'category',
      inverse: true,
      splitLine: { show: false },
      data: rows.map((row) => words.map((at) => row[at]).join(', ')),
    }),
    series: chart.y.map((name, index) => barsOf(theme, { name, index, columns, rows })),
  };
}

function barsOf(theme, { name, index, columns, rows }) {
  const at = columns.indexOf(name);
  return {
    type: 'bar',
    name,
    barMaxWidth: BAR,
    barGap: 0,
    color: theme.fills[index % theme.fills.length],
    emphasis: { disabled: true },
    data: rows.map((row) => (typeof row[at] === 'number' ? row[at] : '-')),
  };
}

globalThis.mmLab.bars = { heightOf, optionOf };
