// Draws the charts and keeps them right: controls, size, colour scheme, printing.

const { format, theme: themes, options, figures } = globalThis.mmLab;
const { echarts } = globalThis;
const data = JSON.parse(document.getElementById('data').textContent);
const hiddenNames = new Set();
const instances = new Map();
const DATA_ROWS = 12;
const PAPER_PLOT = { width: 670, height: 240 };
const PAPER_PANEL = { width: 212, height: 110 };

function state() {
  const axis = document.querySelector('input[name="axis"]:checked')?.value ?? 'progress';
  const shown = data.variants.filter((variant) => !hiddenNames.has(variant.name));
  return { axis, shown, variants: data.variants };
}

function draw(element, option) {
  let chart = instances.get(element);
  if (chart === undefined) {
    chart = echarts.init(element, null, { renderer: 'svg', ...paperSizeOf(element) });
    instances.set(element, chart);
  }
  chart.setOption(option, { notMerge: true });
}

function erase(element) {
  instances.get(element)?.dispose();
  instances.delete(element);
  element.replaceChildren();
}

function drawAll() {
  const theme = themes.current();
  const now = state();
  for (const swatch of document.querySelectorAll('.swatch[data-variant]')) {
    swatch.style.background = theme.styleOf(data.variants, swatch.dataset.variant).color;
  }
  if (data.variants.length > 0) {
    drawOccupancy(theme, now);
    for (const [id, optionOf] of Object.entries(options.charts)) {
      drawChart(id, optionOf, theme, now);
    }
  }
  drawFigures(theme);
}

function drawFigures(theme) {
  for (const { plot, figure } of placed) {
    const size = paperSizeOf(plot) ?? { width: plot.clientWidth, height: plot.clientHeight };
    draw(plot, figures.optionOf(theme, figure, data.variants, size));
  }
}

function drawChart(id, optionOf, theme, now) {
  const figure = document.getElementById(`chart-${id}`);
  const plot = figure.querySelector('.plot');
  const choice = figure.querySelector('select')?.value ?? 'all';
  const option = optionOf(theme, now, choice);
  const isEmpty = option === undefined;
  if (isEmpty && id === 'pressure' && hiddenNames.size === 0) figure.hidden = true;
  plot.classList.toggle('empty', isEmpty);
  if (isEmpty) {
    erase(plot);
    plot.textContent = 'Nothing happened here in the variants shown.';
  } else {
    if (!instances.has(plot)) plot.replaceChildren();
    draw(plot, option);
  }
  describe(figure, option);
}

/** The chart in a sentence for whoever cannot see it; the table has the numbers. */
function describe(figure, option) {
  const plot = figure.querySelector('.plot');
  const title = figure.querySelector('h3').textContent;
  const names = option?.series.map(({ name }) => name).join(', ') ?? 'no variant';
  plot.setAttribute('aria-label', `${title}, for ${names}. The table below has the numbers.`);
  const details = figure.querySelector('details.data');
  details.hidden = option === undefined;
  details.figureOption = option;
  if (details.open) fillTable(details);
}

function drawOccupancy(theme, now) {
  const figure = document.getElementById('chart-occupancy');
  const plot = figure.querySelector('.plot');
  for (const element of [...instances.keys()].filter((key) => plot.contains(key))) erase(element);
  plot.replaceChildren();
  const panels = document.createElement('div');
  panels.className = 'panels';
  plot.append(keyOf(theme, now), panels);
  const peak = peakPages(now.shown);
  const series = [];
  for (const variant of now.shown) {
    const panel = document.createElement('div');
    const title = document.createElement('p');
    title.className = 'panel-title';
    title.textContent = variant.name;
    const area = document.createElement('div');
    area.className = 'panel-plot';
    panel.append(title, area);
    panels.append(panel);
    const option = options.occupancy(theme, now, variant, peak);
    draw(area, option);
    for (const part of option.series) {
      series.push({ ...part, name: `${variant.name}: ${part.name}` });
    }
  }
  const option = series.length === 0 ? undefined : { series, formatY: format.pages };
  describe(figure, option);
}

function keyOf(theme, now) {
  const key = document.createElement('p');
  key.className = 'key';
  const labels = [...new Set(now.shown.flatMap(({ nodes }) => nodes.map(({ label }) => label)))];
  for (const [index, label] of labels.entries()) {
    const item = document.createElement('span');
    const swatch = document.createElement('span');
    swatch.className = 'swatch';
    swatch.style.background = theme.fills[index % theme.fills.length];
    item.append(swatch, label);
    key.append(item);
  }
  return key;
}

/** Common scale of the panels: the fullest machine, in pages. */
function peakPages(variants) {
  let peak = 1;
  for (const { columns, time } of variants) {
    const used = Object.keys(columns).filter((name) => name.endsWith('.used_pages'));
    for (let at = 0; at < time.length; at++) {
      peak = Math.max(
        peak,
        used.reduce((sum, name) => sum + columns[name][at], 0),
      );
    }
  }
  return peak;
}

function fillTable(details) {
  const { figureOption: option } = details;
  if (option === undefined) return;
  const formatX = option.xAxis?.axisLabel.formatter ?? ((value) => format.plain(value));
  const formatY = option.yAxis?.axisLabel.formatter ?? option.formatY ?? format.plain;
  const isLog = option.xAxis?.type === 'log';
  const columns = ['variant', isLog ? 'latency' : 'at', 'value'];
  const rows = option.series.flatMap(({ name, data: points }) =>
    spread(points).map(([x, y]) => [name, formatX(x), formatY(y)]),
  );
  const scroll = details.querySelector('.scroll');
  scroll.replaceChildren(figures.tableOf({ columns, rows }));
}

/** At most so many points, evenly over the line, the last one always. */
function spread(points) {
  if (points.length <= DATA_ROWS) return points;
  const last = points.length - 1;
  return Array.from(
    { length: DATA_ROWS },
    (_, at) => points[Math.round((at * last) / (DATA_ROWS - 1))],
  );
}

/**
 * As wide as its place on the screen. On paper drawn for one width and scaled to the page by the
 * style: how wide a page is, the browser does not say.
 */
function resizeAll() {
  for (const [element, chart] of instances) {
    chart.resize(paperSizeOf(element) ?? { width: 'auto', height: 'auto' });
    setScaling(element.querySelector('svg'), chart);
  }
}

function isPaper() {
  return themes.printing.matches || globalThis.mmLab.forcePrint;
}

function paperSizeOf(element) {
  if (!isPaper()) return undefined;
  return element.classList.contains('panel-plot') ? PAPER_PANEL : PAPER_PLOT;
}

/** ECharts writes sizes into the elements it makes; for paper they give way to the page's width. */
function setScaling(svg, chart) {
  const onPaper = isPaper();
  const [width, height] = [chart.getWidth(), chart.getHeight()];
  const parent = svg.parentElement;
  svg.style.position = onPaper ? 'static' : 'absolute';
  parent.style.width = onPaper ? '100%' : `${width}px`;
  parent.style.height = onPaper ? 'auto' : `${height}px`;
  svg.setAttribute('width', onPaper ? '100%' : width);
  if (onPaper) {
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    svg.removeAttribute('height');
  } else {
    svg.removeAttribute('viewBox');
    svg.setAttribute('height', height);
  }
}

function listen() {
  for (const button of document.querySelectorAll('[data-toggle]')) {
    button.addEventListener('click', () => {
      const { toggle } = button.dataset;
      if (!hiddenNames.delete(toggle)) hiddenNames.add(toggle);
      button.setAttribute('aria-pressed', String(!hiddenNames.has(toggle)));
      drawAll();
    });
  }
  for (const input of document.querySelectorAll('input[name="axis"], select[data-choice]')) {
    input.addEventListener('change', drawAll);
  }
  for (const details of document.querySelectorAll('details.data')) {
    details.addEventListener('toggle', () => details.open && fillTable(details));
  }
  let width = document.documentElement.clientWidth;
  new ResizeObserver(() => {
    const changed = document.documentElement.clientWidth;
    if (changed === width) return;
    width = changed;
    drawFigures(themes.current());
    resizeAll();
  }).observe(document.documentElement);
  themes.prefersDark.addEventListener('change', drawAll);
  listenToPrinter();
}

/** Paper is white and of another width than the window: draw for it, then draw back. */
function listenToPrinter() {
  const redraw = () => {
    drawAll();
    resizeAll();
  };
  themes.printing.addEventListener('change', redraw);
  addEventListener('beforeprint', () => {
    globalThis.mmLab.forcePrint = true;
    redraw();
  });
  addEventListener('afterprint', () => {
    globalThis.mmLab.forcePrint = false;
    redraw();
  });
}

const list = document.getElementById('figure-list');
const placed = list === null ? [] : figures.place(list, data.figures);
listen();
drawAll();
