// Tables that an experiment's `figures` function found, and a chart of each that asks for one.

const { bars, format, options, plane } = globalThis.mmLab;

/** Longer lines are drawn without a mark at each point: the marks would hide the line. */
const POINTS_MARKED = 40;

function tableOf({ columns, rows }) {
  // A dash among numbers stands where they do.
  const hasNumbers = columns.map((_, at) => rows.some((row) => typeof row[at] === 'number'));
  const table = document.createElement('table');
  const head = table.createTHead().insertRow();
  for (const [index, name] of columns.entries()) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    if (hasNumbers[index]) cell.className = 'number';
    cell.textContent = name;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const values of rows) {
    const row = body.insertRow();
    for (const [index, value] of values.entries()) {
      const cell = row.insertCell();
      if (hasNumbers[index]) cell.className = 'number';
      cell.textContent = typeof value === 'number' ? format.cell(value) : value;
    }
  }
  return table;
}

function optionOf(theme, figure, variants, size) {
  const { chart, columns, rows } = figure;
  if (chart.kind === 'plane') return plane.optionOf(theme, figure, size);
  if (chart.kind === 'bars') return bars.optionOf(theme, figure);
  const x = columns.indexOf(chart.x);
  return {
    ...options.base(theme),
    legend: { top: 0, left: 0, textStyle: { color: theme.soft }, icon: 'roundRect' },
    grid: { left: 8, right: 24, top: chart.yTitle ? 60 : 40, bottom: 28, containLabel: true },
    xAxis: options.axis(theme, {
      type: chart.xLog ? 'log' : 'value',
      name: chart.xTitle ?? chart.x,
      nameLocation: 'middle',
      nameGap: 28,
      scale: true,
      format: format.count,
    }),
    yAxis: options.axis(theme, {
      type: chart.yLog ? 'log' : 'value',
      name: chart.yTitle ?? '',
      nameTextStyle: { color: theme.soft, align: 'left' },
      format: format.count,
    }),
    series: chart.y.map((name, index) =>
      seriesOf(theme, { name, index, variants, columns, rows, x }),
    ),
  };
}

/** A column named after a variant has the variant's colour. */
function seriesOf(theme, { name, index, variants, columns, rows, x }) {
  const known = variants.find((variant) => variant.name === name);
  const style = known
    ? theme.styleOf(variants, name)
    : { color: theme.fills[index % theme.fills.length], dash: 'solid' };
  const y = columns.indexOf(name);
  return {
    type: 'line',
    name,
    color: style.color,
    lineStyle: { width: 2, type: style.dash },
    symbolSize: 5,
    showSymbol: rows.length <= POINTS_MARKED,
    data: rows.map((row) => [row[x], row[y]]),
  };
}

/** Adds a figure element for each table; returns what has to be drawn. */
function place(list, figures) {
  const drawn = [];
  for (const figure of figures) {
    const element = document.createElement('figure');
    element.className = 'chart';
    const caption = document.createElement('figcaption');
    const title = document.createElement('h3');
    title.textContent = figure.title;
    caption.append(title);
    element.append(caption);
    if (figure.chart !== undefined) {
      const plot = document.createElement('div');
      plot.className = 'plot';
      if (figure.chart.kind === 'bars') {
        plot.style.setProperty('--height', `${bars.heightOf(figure)}px`);
      }
      plot.setAttribute('role', 'img');
      plot.setAttribute('aria-label', `${figure.title}; the table below has the numbers`);
      element.append(plot);
      drawn.push({ plot, figure });
    }
    element.append(numbersOf(figure));
    list.append(element);
  }
  return drawn;
}

/** The table, folded away where the rows are there to be drawn. */
function numbersOf(figure) {
  const scroll = document.createElement('div');
  scroll.className = 'scroll';
  scroll.tabIndex = 0;
  scroll.append(tableOf(figure));
  if (!figure.plotOnly) return scroll;
  const details = document.createElement('details');
  details.className = 'data';
  const summary = document.createElement('summary');
  summary.textContent = 'Data of this chart';
  details.append(summary, scroll);
  return details;
}

globalThis.mmLab.figures = { place, optionOf, tableOf };
