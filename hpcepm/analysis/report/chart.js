"use strict";
// A chart in SVG: lines with bands, and dots. A pointer or the arrow keys read it, a drag zooms.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function shape(parent, tag, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  parent.append(made);
  return made;
}

// A number as a person writes it: 0.1234, 5·10⁻⁷.
function written(value, digits = 5) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "none";
  const size = Math.abs(value);
  if (size === 0 || (Number.isInteger(value) && size < 1e7)) return String(value).replace("-", "−");
  if (size >= 1e-4 && size < 1e6) return String(Number(value.toPrecision(digits))).replace("-", "−");
  const [front, power] = value.toExponential(digits - 1).split("e");
  const raised = [...power.replace("+", "")].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]));
  const before = Number(front) === 1 ? "" : `${Number(front)}·`;
  return `${before}10${raised.join("")}`.replace("-", "−");
}

// A label with the unit, where there is one.
function withUnit(label, unit) {
  return !unit || unit === "1" ? label : `${label} (${unit})`;
}

// A text in two lines, if one of so many characters is too short for it.
function inLines(text, most) {
  const middle = text.lastIndexOf(" ", text.length / 2 + 6);
  return text.length <= most || middle < 0 ? [text] : [text.slice(0, middle), text.slice(middle + 1)];
}

// From numbers to pixels and back, and where to put ticks.
class Axis {
  constructor(low, high, start, end, log) {
    this.log = log;
    this.of = log ? Math.log10 : (value) => value;
    this.domain = [low, high];
    [this.a, this.b] = [this.of(low), this.of(high)];
    [this.start, this.end] = [start, end];
  }

  to(value) {
    return this.start + ((this.of(value) - this.a) / (this.b - this.a)) * (this.end - this.start);
  }

  from(pixel) {
    const at = this.a + ((pixel - this.start) / (this.end - this.start)) * (this.b - this.a);
    return this.log ? 10 ** at : at;
  }

  ticks(most) {
    if (!this.log) return linearTicks(this.a, this.b, most);
    const decades = linearTicks(this.a, this.b, most).filter(Number.isInteger);
    if (decades.length > 2) return decades.map((power) => 10 ** power);
    const found = [];
    for (let power = Math.floor(this.a); power <= this.b; power++) {
      for (const k of [1, 2, 5]) found.push(k * 10 ** power);
    }
    return found.filter((value) => value >= this.domain[0] && value <= this.domain[1]);
  }
}

function linearTicks(low, high, most) {
  const rough = (high - low) / most;
  const largest = Math.max(Math.abs(low), Math.abs(high));
  if (!(rough > 1e-13 * largest)) return [low]; // numbers between do not exist
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((k) => k * power >= rough) * power;
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

// The interval that all values lie in, and a little more.
function interval(values, log) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value === null || value === undefined || (log && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return log ? [1, 10] : [0, 1];
  if (log) return [low / 1.4, high * 1.4];
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const more = high - low <= 1e-9 * largest ? largest * 0.1 || 1 : 0.04 * (high - low);
  return [low - more, high + more];
}

const MARGIN = { left: 84, right: 14, top: 12, bottom: 46 };
let charts = 0;

class Chart {
  // `figure` is an empty <figure>; `label` says what is drawn.
  constructor(figure, label) {
    this.figure = figure;
    this.clip = `clip-${charts++}`;
    this.svg = shape(figure, "svg", { class: "chart", tabindex: "0", role: "img", "aria-label": label });
    this.tip = element("div", { class: "tip", role: "status", hidden: "" });
    this.all = element("button", { type: "button", class: "all", hidden: "" }, "show all");
    figure.append(this.tip, this.all);
    this.zoom = null;
    this.shown = "";
    this.listen();
    new ResizeObserver(() => this.render()).observe(figure);
  }

  // content: {key, x: {label, log}, y: {label, log}, free, series, marker, rule}. A series has x, y,
  // perhaps low and high, dots, line, colour, width, and says() of a point. `key` names what is
  // shown: while it is the same, the zoom stays.
  show(content) {
    if (content.key !== this.shown) [this.zoom, this.found] = [null, null];
    this.shown = content.key;
    this.content = content;
    this.render();
  }

  render() {
    const width = Math.round(this.figure.clientWidth);
    if (!this.content || width < 50) return;
    const height = Math.round(Math.min(440, Math.max(260, width * 0.7)));
    this.svg.replaceChildren();
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const { x, y, series } = this.content;
    const [left, right] = [MARGIN.left, width - MARGIN.right];
    const [top, bottom] = [MARGIN.top, height - MARGIN.bottom];
    const ys = series.flatMap((one) => [...one.y, ...(one.low || []), ...(one.high || [])]);
    const [xs, zoom] = [series.flatMap((one) => one.x), this.zoom];
    this.x = new Axis(...(zoom ? zoom.x : interval(xs, x.log)), left, right, x.log);
    this.y = new Axis(...(zoom ? zoom.y : interval(ys, y.log)), bottom, top, y.log);
    this.box = { left, right, top, bottom, width };
    this.frame();
    shape(shape(this.svg, "clipPath", { id: this.clip }), "rect", this.sides());
    this.inside = shape(this.svg, "g", { "clip-path": `url(#${this.clip})` });
    for (const one of series) this.drawBand(one);
    for (const one of series) this.drawSeries(one);
    this.drawMarks();
    this.overlay = shape(this.svg, "g");
    this.all.hidden = !zoom;
    this.point(this.found);
  }

  sides() {
    const { left, right, top, bottom } = this.box;
    return { x: left, y: top, width: right - left, height: bottom - top };
  }

  frame() {
    const { left, right, top, bottom, width } = this.box;
    for (const tick of this.x.ticks(width / 90)) {
      const at = this.x.to(tick);
      shape(this.svg, "line", { class: "grid", x1: at, x2: at, y1: top, y2: bottom });
      shape(this.svg, "text", { x: at, y: bottom + 16, "text-anchor": "middle" }, written(tick));
    }
    for (const tick of this.y.ticks(6)) {
      const at = this.y.to(tick);
      shape(this.svg, "line", { class: "grid", x1: left, x2: right, y1: at, y2: at });
      shape(this.svg, "text", { x: left - 6, y: at + 4, "text-anchor": "end" }, written(tick));
    }
    shape(this.svg, "rect", { class: "frame", ...this.sides() });
    const [middle, half] = [(left + right) / 2, (top + bottom) / 2];
    const { x, y } = this.content;
    shape(this.svg, "text", { class: "label", x: middle, y: bottom + 38, "text-anchor": "middle" }, x.label);
    inLines(y.label, (bottom - top) / 7).forEach((text, k) => {
      const at = 13 + 15 * k;
      const turned = { x: at, y: half, "text-anchor": "middle", transform: `rotate(-90 ${at} ${half})` };
      shape(this.svg, "text", { class: "label", ...turned }, text);
    });
  }

  // Whether a point can be drawn: it is there, and on a logarithmic axis positive.
  there(x, y) {
    const fine = (value, log) => value !== null && value !== undefined && (!log || value > 0);
    return fine(x, this.x.log) && fine(y, this.y.log);
  }

  drawBand({ x, low, high }) {
    if (!low) return;
    const fine = x.map((_, k) => k).filter((k) => this.there(x[k], low[k]) && this.there(x[k], high[k]));
    const at = (values) => (k) => `${this.x.to(x[k]).toFixed(1)} ${this.y.to(values[k]).toFixed(1)}`;
    const around = [...fine.map(at(high)), ...fine.reverse().map(at(low))];
    if (around.length) shape(this.inside, "path", { class: "band", d: `M${around.join("L")}Z` });
  }

  drawSeries({ x, y, colour, width, dots, line = true }) {
    let [path, pen] = ["", "M"];
    for (let k = 0; k < x.length; k++) {
      if (!this.there(x[k], y[k])) {
        pen = "M";
        continue;
      }
      const [px, py] = [this.x.to(x[k]).toFixed(1), this.y.to(y[k]).toFixed(1)];
      path += `${pen}${px} ${py}`;
      pen = "L";
      if (dots && (dots === true || dots.has(k))) {
        shape(this.inside, "circle", { class: dots === true ? "dot" : "inside", cx: px, cy: py, r: 2.6 });
      }
    }
    if (!line || !path) return;
    const drawn = shape(this.inside, "path", { class: "curve", d: path, "stroke-width": width || 1.6 });
    if (colour) drawn.style.stroke = colour;
  }

  drawMarks() {
    const { marker, rule } = this.content;
    if (rule !== undefined && this.there(rule, 1)) {
      const at = this.x.to(rule);
      shape(this.inside, "line", { class: "dashed", x1: at, x2: at, y1: this.box.top, y2: this.box.bottom });
    }
    if (marker && this.there(marker.x, marker.y)) {
      shape(this.inside, "circle", { class: "ring", cx: this.x.to(marker.x), cy: this.y.to(marker.y), r: 6 });
    }
  }

  // Return the point nearest to a pixel; of a function mostly along x.
  nearest(px, py) {
    const weight = this.content.free ? 1 : 0.01;
    let [best, found] = [Infinity, null];
    this.content.series.forEach(({ x, y }, s) => {
      for (let k = 0; k < x.length; k++) {
        if (!this.there(x[k], y[k])) continue;
        const away = (this.x.to(x[k]) - px) ** 2 + weight * (this.y.to(y[k]) - py) ** 2;
        if (away < best) [best, found] = [away, { s, k }];
      }
    });
    return found;
  }

  // Show what is known of a point; null: of none.
  point(found) {
    this.found = found;
    this.overlay.replaceChildren();
    const one = found && this.content.series[found.s];
    this.tip.hidden = !(one && found.k < one.x.length && this.there(one.x[found.k], one.y[found.k]));
    if (this.tip.hidden) return;
    const [px, py] = [this.x.to(one.x[found.k]), this.y.to(one.y[found.k])];
    shape(this.overlay, "circle", { class: "found", cx: px, cy: py, r: 4.5 });
    this.tip.textContent = one.says(found.k).join("\n");
    const ratio = this.svg.clientWidth / this.box.width || 1;
    const wide = this.tip.offsetWidth;
    const right = px * ratio + 14;
    const fits = right + wide < this.figure.clientWidth;
    this.tip.style.left = `${Math.max(0, fits ? right : px * ratio - wide - 14)}px`;
    this.tip.style.top = `${Math.max(0, py * ratio - this.tip.offsetHeight / 2)}px`;
  }

  // Where a pointer is, in the units of the drawing, and inside the frame.
  at(event) {
    const seen = this.svg.getBoundingClientRect();
    const ratio = this.box.width / seen.width;
    const { left, right, top, bottom } = this.box;
    const within = (value, low, high) => Math.min(high, Math.max(low, value));
    return [
      within((event.clientX - seen.left) * ratio, left, right),
      within((event.clientY - seen.top) * ratio, top, bottom),
    ];
  }

  zoomTo(zoom) {
    this.zoom = zoom;
    this.render();
  }

  listen() {
    let begin = null;
    this.svg.addEventListener("pointerdown", (event) => {
      if (!this.content || event.button !== 0) return;
      begin = this.at(event);
      this.svg.setPointerCapture(event.pointerId);
      this.point(this.nearest(...begin));
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (!this.content) return;
      const now = this.at(event);
      if (begin && far(begin, now)) {
        this.point(null);
        shape(this.overlay, "rect", { class: "box", ...between(begin, now) });
      } else {
        this.point(this.nearest(...now));
      }
    });
    this.svg.addEventListener("pointerup", (event) => {
      const [from, now] = [begin, this.content && this.at(event)];
      begin = null;
      if (!from || !far(from, now)) return;
      const box = between(from, now);
      const thin = box.height < 12; // then along x alone
      const x = [this.x.from(box.x), this.x.from(box.x + box.width)];
      const y = [this.y.from(box.y + box.height), this.y.from(box.y)];
      if (box.width >= 4) this.zoomTo({ x, y: thin ? this.y.domain : y });
    });
    this.svg.addEventListener("pointercancel", () => { begin = null; });
    this.svg.addEventListener("pointerleave", (event) => { // a finger is lifted to read what it hid
      if (this.content && !begin && event.pointerType !== "touch") this.point(null);
    });
    this.svg.addEventListener("dblclick", () => this.zoomTo(null));
    this.all.addEventListener("click", () => this.zoomTo(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (!this.content) return;
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity };
    if (event.key === "Escape") {
      this.found = null;
      this.zoomTo(null);
    } else if (event.key in steps) {
      event.preventDefault();
      const { s, k } = this.found || { s: 0, k: -1 };
      const last = this.content.series[s].x.length - 1;
      this.point({ s, k: Math.min(last, Math.max(0, k + steps[event.key])) });
    }
  }
}

function far([x, y], [toX, toY]) {
  return Math.abs(toX - x) > 5 || Math.abs(toY - y) > 5;
}

function between([x, y], [toX, toY]) {
  const [left, top] = [Math.min(x, toX), Math.min(y, toY)];
  return { x: left, y: top, width: Math.abs(toX - x), height: Math.abs(toY - y) };
}
