// ECharts options of each chart, from the run's data and the state of the controls.

const { format } = globalThis.mmLab;

function base(theme) {
  return {
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: theme.ink },
    grid: { left: 8, right: 16, top: 16, bottom: 8, containLabel: true },
    tooltip: {
      trigger: 'axis',
      confine: true,
      backgroundColor: theme.card,
      borderColor: theme.rule,
      textStyle: { color: theme.ink, fontSize: 13 },
      axisPointer: { lineStyle: { color: theme.soft } },
    },
  };
}

function axis(theme, settings) {
  return {
    axisLine: { lineStyle: { color: theme.rule } },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: theme.rule } },
    axisLabel: { color: theme.soft, fontSize: 12, hideOverlap: true, formatter: settings.format },
    nameTextStyle: { color: theme.soft, fontSize: 12 },
    ...settings,
  };
}

function xAxis(theme, state) {
  const isTime = state.axis === 'time';
  return axis(theme, {
    type: 'value',
    min: 0,
    max: isTime ? 'dataMax' : 1,
    format: isTime ? (value) => format.ns(value) : (value) => `${Math.round(value * 100)} %`,
    splitLine: { show: false },
  });
}

function line(theme, state, variant, data) {
  const { color, dash } = theme.styleOf(state.variants, variant.name);
  return {
    type: 'line',
    name: variant.name,
    data,
    showSymbol: false,
    color,
    lineStyle: { width: variant.bound ? 1.5 : 2, type: dash },
    emphasis: { disabled: true },
  };
}

function xOf(state, variant) {
  return state.axis === 'time' ? variant.time : variant.progress;
}

function zip(xs, ys) {
  return ys.map((y, index) => [xs[index], y]);
}

/** Sum of cumulative columns, as events per simulated second between two samples. */
function rate(variant, columns) {
  const rates = [];
  for (let at = 1; at < variant.time.length; at++) {
    const seconds = (variant.time[at] - variant.time[at - 1]) / 1e9;
    let events = 0;
    for (const name of columns) {
      const column = variant.columns[name];
      if (column !== undefined) events += column[at] - column[at - 1];
    }
    const isWhole = seconds * 1e9 > variant.intervalNs / 2;
    // The last sample may come right after the one before: too short a stretch to speak of a rate.
    rates.push(isWhole ? events / seconds : (rates.at(-1) ?? 0));
  }
  return rates.length === 0 ? [] : [rates[0], ...rates];
}

function timeChart(theme, state, { lines, formatY, yMax }) {
  return {
    ...base(theme),
    tooltip: { ...base(theme).tooltip, valueFormatter: (value) => formatY(value ?? 0) },
    xAxis: xAxis(theme, state),
    yAxis: axis(theme, { type: 'value', min: 0, max: yMax, format: formatY }),
    series: lines,
  };
}

const FAULTS = ['fault.minor', 'fault.major', 'fault.write_protect'];
const MIGRATIONS = ['migrate.promoted', 'migrate.demoted'];

function rates(theme, state, all, choice) {
  const columns = choice === 'all' ? all : [choice];
  const lines = state.shown
    .filter((variant) => columns.some((name) => variant.columns[name] !== undefined))
    .map((variant) =>
      line(theme, state, variant, zip(xOf(state, variant), rate(variant, columns))),
    );
  return lines.length === 0
    ? undefined
    : timeChart(theme, state, { lines, formatY: (value) => `${format.count(value)}/s` });
}

function gauge(theme, state, column, formatY) {
  const having = state.shown.filter((variant) => variant.columns[column] !== undefined);
  if (having.length === 0) return undefined;
  const lines = having.map((variant) =>
    line(theme, state, variant, zip(xOf(state, variant), variant.columns[column])),
  );
  return timeChart(theme, state, { lines, formatY });
}

function device(theme, state) {
  const option = gauge(theme, state, 'device.physical_bytes', format.bytes);
  if (option === undefined) return undefined;
  const capacities = state.shown.map((variant) =>
    Math.max(0, ...(variant.columns['device.capacity_bytes'] ?? [])),
  );
  const levels = [...new Set(capacities)].filter((bytes) => bytes > 0);
  const peak = Math.max(
    ...state.shown.flatMap((variant) => variant.columns['device.physical_bytes'] ?? [0]),
  );
  const { max, interval } = binaryScale(1.05 * Math.max(peak, ...levels));
  Object.assign(option.yAxis, { max, interval });
  option.series[0].markLine = {
    silent: true,
    symbol: 'none',
    lineStyle: { color: theme.bad, width: 1.5, type: 'solid' },
    label: {
      position: 'insideStartTop',
      color: theme.bad,
      formatter: ({ value }) => `capacity ${format.bytes(value)}`,
    },
    data: levels.map((yAxis) => ({ yAxis })),
  };
  return option;
}

/** A scale in steps of a power of two, so that bytes read as round numbers. */
function binaryScale(peak) {
  const interval = 2 ** Math.max(0, Math.ceil(Math.log2(peak / 5)));
  return { interval, max: Math.ceil(peak / interval) * interval };
}

/** Share of accesses that took longer, at each bucket's bound. */
function tail({ upperNs, count }) {
  let above = count.reduce((sum, accesses) => sum + accesses, 0);
  const total = above;
  const points = [];
  for (let at = 0; at < count.length; at++) {
    points.push([upperNs[at], above / total]);
    above -= count[at];
    if (above > 0) points.push([upperNs[at], above / total]);
  }
  return points;
}

function latency(theme, state) {
  const having = state.shown.filter((variant) => variant.latency.count.length > 0);
  if (having.length === 0) return undefined;
  const floor = Math.min(...having.flatMap((variant) => tail(variant.latency).map(([, y]) => y)));
  return {
    ...base(theme),
    tooltip: { ...base(theme).tooltip, trigger: 'item', formatter: latencyTip },
    xAxis: axis(theme, {
      type: 'log',
      name: 'latency',
      nameLocation: 'middle',
      nameGap: 26,
      format: (value) => format.ns(value),
      min: ({ min }) => 10 ** Math.floor(Math.log10(Math.max(1, min))),
      max: ({ max }) => 10 ** Math.ceil(Math.log10(Math.max(10, max))),
    }),
    yAxis: axis(theme, {
      type: 'log',
      min: 10 ** Math.floor(Math.log10(floor)),
      max: 1,
      format: (value) => format.share(value),
    }),
    series: having.map((variant) => ({
      ...line(theme, state, variant, tail(variant.latency)),
      showSymbol: true,
      symbolSize: 1,
      emphasis: { disabled: false, scale: 6 },
    })),
  };
}

function latencyTip({ seriesName, value }) {
  return `${seriesName}<br>${format.share(value[1])} take longer than ${format.ns(value[0])}`;
}

/** One small panel: the nodes of one variant, stacked. */
function occupancy(theme, state, variant, peakPages) {
  const { max, interval } = binaryScale(peakPages);
  const nodes = variant.nodes.filter(({ nid }) => variant.columns[`node.${nid}.used_pages`]);
  return {
    ...base(theme),
    grid: { left: 4, right: 12, top: 10, bottom: 4, containLabel: true },
    tooltip: { ...base(theme).tooltip, valueFormatter: (value) => format.pages(value ?? 0) },
    xAxis: { ...xAxis(theme, state), ...(state.axis === 'time' ? {} : { interval: 0.5 }) },
    yAxis: axis(theme, {
      type: 'value',
      min: 0,
      max,
      interval,
      format: (value) => format.pages(value),
    }),
    series: nodes.map(({ nid, label }, index) => ({
      type: 'line',
      name: label,
      stack: 'nodes',
      showSymbol: false,
      color: theme.fills[index % theme.fills.length],
      lineStyle: { width: 1 },
      areaStyle: { opacity: 0.75 },
      emphasis: { disabled: true },
      data: zip(xOf(state, variant), variant.columns[`node.${nid}.used_pages`]),
    })),
  };
}

const charts = {
  device,
  latency,
  faults: (theme, state, choice) => rates(theme, state, FAULTS, choice),
  migrations: (theme, state, choice) => rates(theme, state, MIGRATIONS, choice),
  pressure: (theme, state) => gauge(theme, state, 'pressure', format.plain),
};

globalThis.mmLab.options = { base, axis, charts, occupancy, rate, FAULTS, MIGRATIONS };
