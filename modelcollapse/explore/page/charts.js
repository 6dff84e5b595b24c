"use strict";
// Pictures: curves over generations, bars of a law, their legends, and the same again as a PNG file.

const FONT = "system-ui, sans-serif";

// colours of the page as it is now, and how large everything is drawn
function look(scale = 1) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["ink", "soft", "paper", "grid", "band", "median", "mean", "chain", "exact", "bar", "real"];
  return { scale, ...Object.fromEntries(names.map((name) => [name, colour(name)])) };
}

const LEGEND = {
  curves(curve, paint) {
    const found = [
      { name: `${library.start.band * 100}% of ${curve.count} chains`, fill: paint.band },
      { name: "median", stroke: paint.median, width: 2.5 },
      { name: "mean", stroke: paint.mean, width: 2, dash: [2, 3] },
      { name: plural(curve.chains.length, "single chain"), stroke: paint.chain, width: 1 },
    ];
    if (curve.exact) found.push({ name: exactName(curve.exact), stroke: paint.exact, width: 3, dash: [9, 5] });
    return found;
  },
  bars(paint) {
    return [
      { name: "generation shown", fill: paint.bar },
      { name: "real", stroke: paint.real, width: 1.5, box: true },
      { name: "lost", stroke: paint.exact, width: 2.5, cross: true },
    ];
  },
};

function cross(context, x, y, r) {
  context.beginPath();
  for (const sign of [1, -1]) {
    context.moveTo(x - r, y - sign * r);
    context.lineTo(x + r, y + sign * r);
  }
  context.stroke();
}

// one entry's sign, 30 by 12, at x and y
function swatch(context, entry, x, y) {
  context.save();
  context.lineWidth = entry.width ?? 1;
  context.strokeStyle = entry.stroke ?? "transparent";
  context.setLineDash(entry.dash ?? []);
  if (entry.fill) {
    context.fillStyle = entry.fill;
    context.fillRect(x, y, 30, 12);
  } else if (entry.box) context.strokeRect(x + 2, y + 1, 26, 10);
  else if (entry.cross) cross(context, x + 15, y + 6, 5);
  else {
    context.beginPath();
    context.moveTo(x, y + 6);
    context.lineTo(x + 30, y + 6);
    context.stroke();
  }
  context.restore();
}

function fillLegend(list, entries) {
  const ratio = devicePixelRatio || 1;
  list.replaceChildren(
    ...entries.map((entry) => {
      const sign = element("canvas", { width: 30 * ratio, height: 12 * ratio, "aria-hidden": "true" });
      const context = sign.getContext("2d");
      context.scale(ratio, ratio);
      swatch(context, entry, 0, 0);
      return element("li", {}, sign, entry.name);
    }),
  );
}

function axis(label, paint, more = {}) {
  const s = paint.scale;
  return {
    label,
    stroke: paint.ink,
    font: `${12 * s}px ${FONT}`,
    labelFont: `${13 * s}px ${FONT}`,
    labelSize: 22 * s,
    labelGap: 2 * s,
    gap: 5 * s,
    size: 26 * s,
    grid: { stroke: paint.grid, width: s },
    ticks: { stroke: paint.grid, width: s, size: 5 * s },
    ...more,
  };
}

function valueAxis(label, paint) {
  const s = paint.scale;
  return axis(label, paint, {
    space: 36 * s,
    values: (_, splits) => splits.map((x) => (x === null ? "" : written(x))),
    size: (_, values) => s * (14 + 7 * Math.max(3, ...(values ?? []).map((text) => text.length))),
  });
}

function curvesOptions({ curve, generations, shown }, paint) {
  const s = paint.scale;
  const last = generations.at(-1);
  const line = (stroke, width, dash) => ({
    stroke,
    width: width * s,
    dash: dash?.map((x) => x * s),
    points: { show: false },
  });
  const series = [{}, line("transparent", 0), line("transparent", 0)];
  for (const entry of LEGEND.curves(curve, paint)) {
    if (entry.stroke === paint.chain) series.splice(3, 0, ...curve.chains.map(() => line(entry.stroke, 1)));
    else if (!entry.fill) series.push(line(entry.stroke, entry.width, entry.dash));
  }
  return {
    height: 260 * s,
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    padding: [10 * s, 14 * s, 0, 0],
    scales: {
      x: { time: false, range: [-0.015 * last, 1.015 * last] },
      y: { range: (_, low, high) => sensible(low, high) },
    },
    axes: [
      axis("generation", paint, { space: 44 * s, incrs: [1, 2, 5, 10, 20, 25, 50, 100, 200] }),
      valueAxis(curveName(curve), paint),
    ],
    series,
    bands: [{ series: [1, 2], fill: paint.band }],
    hooks: { draw: [(u) => upright(u, generations[shown()], paint)] },
  };
}

// zero belongs to the picture unless everything happens far above it
function sensible(low, high) {
  if (low === null) return [0, 1];
  const bottom = low >= 0 && low < high / 2 ? 0 : low;
  const room = (high - bottom || Math.abs(high) || 1) * 0.06;
  return [bottom === 0 ? 0 : bottom - room, high + room];
}

function curvesData({ curve, generations }) {
  const found = [generations, curve.high, curve.low, ...curve.chains, curve.median, curve.mean];
  if (curve.exact) found.push(curve.exact.values);
  return found;
}

// where the generation shown is
function upright(u, generation, paint) {
  const x = u.valToPos(generation, "x", true);
  u.ctx.save();
  u.ctx.setLineDash([]);
  u.ctx.strokeStyle = paint.soft;
  u.ctx.lineWidth = 1.5 * paint.scale * uPlot.pxRatio;
  u.ctx.beginPath();
  u.ctx.moveTo(x, u.bbox.top);
  u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
  u.ctx.stroke();
  u.ctx.restore();
}

function barsOptions({ answer, real, shown, log }, paint, width) {
  const s = paint.scale;
  const names = answer.states.map((name) => (name.length > 14 ? `${name.slice(0, 13)}…` : name));
  const room = (width - 70 * s) / names.length / s;
  const longest = Math.max(...names.map((name) => name.length)) * 7 + 8;
  const turned = longest > room;
  const step = turned ? Math.max(1, Math.ceil(15 / room)) : 1;
  const all = [...answer.laws.flat(), ...real];
  const top = Math.max(...all);
  const floor = Math.min(...all.filter((x) => x > 0)) / 3;
  const bar = (factor, more) => ({
    paths: uPlot.paths.bars({ size: [factor, 90 * s] }),
    points: { show: false },
    ...more,
  });
  return {
    height: (turned ? 280 : 230) * s,
    legend: { show: false },
    cursor: { show: false },
    padding: [10 * s, 8 * s, 0, 0],
    scales: {
      // half a category on either side, so that no bar is cut
      x: { time: false, range: [-0.6, names.length - 0.4] },
      y: log ? { distr: 3, range: [floor, Math.min(1, top * 1.4)] } : { range: [0, Math.min(1.02, top * 1.08)] },
    },
    axes: [
      axis("category", paint, {
        grid: { show: false },
        splits: () => names.map((_, i) => i).filter((i) => i % step === 0),
        values: (_, splits) => splits.map((i) => names[i]),
        rotate: turned ? 45 : 0,
        size: s * (turned ? 16 + Math.min(longest, 106) * 0.72 : 26),
      }),
      valueAxis(log ? "probability (log scale)" : "probability", paint),
    ],
    series: [
      {},
      bar(0.62, { fill: paint.bar, stroke: paint.bar, width: 0 }),
      bar(0.86, { stroke: paint.real, width: 1.5 * s }),
    ],
    hooks: { draw: [(u) => crosses(u, answer.laws[shown()], real, paint)] },
  };
}

function barsData({ answer, real, shown, log }) {
  const clean = (law) => (log ? law.map((x) => (x > 0 ? x : null)) : law);
  return [answer.states.map((_, i) => i), clean(answer.laws[shown()]), clean(real)];
}

function crosses(u, law, real, paint) {
  const s = paint.scale * uPlot.pxRatio;
  u.ctx.save();
  u.ctx.setLineDash([]);
  u.ctx.strokeStyle = paint.exact;
  u.ctx.lineWidth = 2.5 * s;
  law.forEach((x, i) => {
    if (x === 0 && real[i] > 0) cross(u.ctx, u.valToPos(i, "x", true), u.bbox.top + u.bbox.height - 10 * s, 5 * s);
  });
  u.ctx.restore();
}

// a chart in an element of the page, made again only where its form has changed
class Chart {
  constructor(host, options, data) {
    Object.assign(this, { host, options, data, plot: null, form: "", what: null });
    new ResizeObserver(() => this.what && this.show(this.what)).observe(host);
  }

  show(what) {
    this.what = what;
    const width = Math.floor(this.host.clientWidth);
    if (!width) return; // in a tab that is not open
    const paint = look();
    const form = JSON.stringify([width, paint, this.formOf(what)]);
    if (form === this.form) {
      this.plot.setData(this.data(what));
      return;
    }
    this.form = form;
    this.plot?.destroy();
    // functions of the options ask for what is shown now
    const lasting = { ...what, shown: () => this.what.shown() };
    this.plot = new uPlot({ width, ...this.options(lasting, paint, width) }, this.data(what), this.host);
    this.plot.over.addEventListener(
      "click",
      () => this.plot.cursor.idx !== null && this.what.onPick?.(this.plot.cursor.idx),
    );
  }

  formOf({ curve, generations, answer, log }) {
    return curve
      ? [curveName(curve), curve.chains.length, curve.exact && exactName(curve.exact), generations]
      : [answer.states, answer.laws, log];
  }

  redraw() {
    if (this.what) this.show(this.what);
  }
}

// ---- the picture as a file

const WIDTH = 960;
const RATIO = 2;

// a chart by itself, as a canvas of WIDTH * RATIO device pixels
async function drawn(options, data, what) {
  const scale = RATIO / (uPlot.pxRatio || 1);
  const host = element("div", { class: "offstage", "aria-hidden": "true" });
  document.body.append(host);
  const paint = look(scale);
  const width = WIDTH * scale;
  const now = what.shown();
  const still = { ...what, shown: () => now }; // whatever is shown by the time that it is drawn
  const plot = new uPlot({ width, ...options(still, paint, width) }, data(still), host);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const copy = element("canvas", { width: plot.ctx.canvas.width, height: plot.ctx.canvas.height });
  copy.getContext("2d").drawImage(plot.ctx.canvas, 0, 0);
  plot.destroy();
  host.remove();
  return copy;
}

function lines(context, text, width) {
  const found = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(/\s+/)) {
      const longer = line ? `${line} ${word}` : word;
      if (line && context.measureText(longer).width > width) {
        found.push(line);
        line = word;
      } else line = longer;
    }
    found.push(line);
  }
  return found;
}

// parts: {title, said, legend, canvas, text}; a PNG with titles, legends, what was set and what made it
async function picture({ setting, source }, parts) {
  const paint = look();
  const margin = 24;
  const probe = element("canvas").getContext("2d");
  // drawn twice: first to measure, then to paint
  const paintAll = (context) => {
    let y = margin;
    const put = (text, size, weight, colour) => {
      context.font = `${weight} ${size}px ${FONT}`;
      context.fillStyle = colour;
      for (const line of lines(context, text, WIDTH - 2 * margin)) {
        context.fillText(line, margin, y + size);
        y += size * 1.4;
      }
    };
    put(setting, 17, "bold", paint.ink);
    put(source, 13, "normal", paint.soft);
    for (const part of parts) {
      y += 14;
      put(part.title, 15, "bold", paint.ink);
      if (part.text) put(part.text, 14, "normal", paint.ink);
      if (part.canvas) {
        y += 6;
        context.drawImage(part.canvas, 0, y, part.canvas.width / RATIO, part.canvas.height / RATIO);
        y += part.canvas.height / RATIO + 8;
        let x = margin;
        context.font = `normal 13px ${FONT}`;
        for (const entry of part.legend) {
          const width = 38 + context.measureText(entry.name).width + 22;
          if (x > margin && x + width > WIDTH) [x, y] = [margin, y + 20];
          swatch(context, entry, x, y);
          context.fillStyle = paint.ink;
          context.fillText(entry.name, x + 38, y + 11);
          x += width;
        }
        y += 24;
      }
      if (part.said) put(part.said, 13, "normal", paint.soft);
    }
    return y + margin;
  };
  const height = Math.ceil(paintAll(probe));
  const canvas = element("canvas", { width: WIDTH * RATIO, height: height * RATIO });
  const context = canvas.getContext("2d");
  context.scale(RATIO, RATIO);
  context.fillStyle = paint.paper;
  context.fillRect(0, 0, WIDTH, height);
  paintAll(context);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
