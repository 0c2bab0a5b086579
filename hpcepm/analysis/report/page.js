// The page: fills its sections with the content of the run, and again when there is a newer one.

const byId = (id) => document.getElementById(id);

// Let a list offer [value, text] pairs; what was chosen stays chosen.
function options(list, pairs, first) {
  const before = list.value || first;
  if (list.options.length !== pairs.length || pairs.some(([value], k) => list.options[k].value !== value)) {
    list.replaceChildren(...pairs.map(([value, text]) => element("option", { value }, text)));
  }
  list.value = pairs.some(([value]) => value === before) ? before : pairs[0][0];
}

function notes(list, texts) {
  list.replaceChildren(...texts.map((text) => element("li", {}, text)));
}

function rows(table, lines, cells = (line) => line.slice(1)) {
  const row = (line) => element("tr", {}, element("th", { scope: "row" }, line[0]), ...cells(line).map((cell) => element("td", {}, String(cell))));
  table.replaceChildren(element("tbody", {}, ...lines.map(row)));
}

// A colour of the page that is dark on light and light on dark, and changes along a path.
function alongPath(place) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches;
  const [r, g, b] = colourAt(SEQUENTIAL, dark ? 0.35 + 0.65 * place : 0.75 - 0.7 * place);
  return `rgb(${r} ${g} ${b})`;
}

class Page {
  constructor() {
    this.curve = new Chart(byId("curve"), "Curve of the run");
    this.sizes = new Chart(byId("sizes"), "How often avalanches have which size");
    this.cycle = new Chart(byId("cycle"), "Numbers of each cycle");
    this.memory = new Chart(byId("read-out"), "What a trained glass remembers");
    this.maps = new Maps((record, realization) => {
      [this.record, this.realization] = [record, realization];
      this.drawCurve();
    });
    byId("curve-x").addEventListener("input", () => this.drawCurve());
    byId("curve-y").addEventListener("input", () => this.drawCurve());
    byId("size").addEventListener("input", () => this.drawSizes());
    byId("cycle-y").addEventListener("input", () => this.drawCycles());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.drawCurve());
  }

  show(data) {
    this.data = data;
    document.title = `${data.title} – hpcepm`;
    byId("title").textContent = data.title;
    byId("subtitle").textContent = data.subtitle;
    byId("state").textContent = { running: "running", stopped: "not finished, nobody is at work", finished: "finished" }[data.state];
    byId("state").className = `state ${data.state}`;
    this.age();
    this.warn();
    for (const name of ["numbers", "curves", "maps", "avalanches", "cycles", "memory"]) byId(name).hidden = !data[name];
    byId("last-section").hidden = !data.numbers;
    byId(data.maps || data.cycles || data.memory ? "left" : "right").append(byId("last-section")); // the shorter one
    if (data.numbers) this.numbers(data.numbers);
    if (data.curves) this.curves(data.curves);
    if (data.maps) {
      this.maps.show(data.maps);
      notes(byId("map-notes"), data.maps.notes);
    }
    if (data.avalanches) this.drawSizes();
    if (data.cycles) this.drawCycles();
    if (data.memory) this.drawMemory(data.memory);
    this.provenance();
  }

  age() {
    const seconds = Math.max(0, Math.round((Date.now() - Date.parse(this.data.written)) / 1000));
    const ago = seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
    const at = `${this.data.written.slice(0, 19).replace("T", " ")} UTC`;
    byId("written").textContent = this.data.reload ? `as of ${at}, ${ago} ago; renewed when the run saves` : `as of ${at}`;
  }

  warn() {
    const { warnings, checks } = this.data;
    const bad = (checks || []).flatMap(({ what, problems }) => problems.map((problem) => `${what}: ${problem}`));
    const all = [...new Set([...warnings, ...bad])];
    byId("warnings").hidden = all.length === 0;
    const list = element("ul", {}, ...all.map((text) => element("li", {}, text)));
    byId("warnings").replaceChildren(element("h2", {}, "This run is damaged"), list);
    byId("of-checks").hidden = !checks;
    notes(byId("checks"), (checks || []).map(({ what, problems, left_out }) =>
      left_out ? `${what}: ${left_out}` : `${problems.length ? "BAD" : "ok"}: ${what}`));
  }

  numbers({ first, head, last }) {
    byId("first").replaceChildren(...first.map(([name, value, note]) => element("div", {}, element("dt", {}, name), element("dd", {}, value), ...(note ? [element("dd", { class: "note" }, note)] : []))));
    const table = byId("last");
    rows(table, last, (line) => line.slice(1).map((value, k) => (value === null ? "–" : written(value, k === 1 ? 2 : 4))));
    table.className = "of-numbers";
    table.prepend(element("thead", {}, element("tr", {}, element("th"), ...head.map((name) => element("th", { scope: "col" }, name)))));
  }

  curves({ names, x, y, notes: said }) {
    const pairs = Object.entries(names).map(([name, [label]]) => [name, label]);
    options(byId("curve-x"), pairs, x);
    options(byId("curve-y"), pairs, y);
    notes(byId("curve-notes"), said);
    this.drawCurve();
  }

  drawCurve() {
    const { curves } = this.data;
    if (!curves) return;
    const [x, y] = [byId("curve-x").value, byId("curve-y").value];
    const label = (name) => withUnit(...curves.names[name]);
    const many = curves.lines.length > 1;
    const series = curves.lines.flatMap((line) => this.branches(line, x, y, many));
    this.curve.show({
      key: `${x} ${y}`,
      x: { label: label(x), log: x === "time" && curves.decades },
      y: { label: label(y) },
      free: many || series.length > 1 || x !== "strain",
      series,
      marker: this.marker(curves.lines[many ? this.realization || 0 : 0], x, y),
    });
  }

  // The parts of a line between the turning points of the load; all of it if it does not turn.
  branches(line, x, y, many) {
    const { values, bands = {}, turns, records, name, inside } = line;
    const ends = [0, ...turns, values.strain.length - 1];
    const within = new Set(inside || []);
    return ends.slice(1).map((end, b) => {
      const first = ends[b];
      const part = (list) => list.slice(first, end + 1);
      const [low, high] = (x === "strain" && bands[y]) || [];
      const at = (k) => first + k;
      return {
        x: part(values[x]),
        y: part(values[y]),
        low: low && part(low),
        high: high && part(high),
        width: many ? 1 : 1.8,
        colour: turns.length ? alongPath((b + 1) / (ends.length - 1)) : "",
        dots: within.size ? new Set([...within].map((k) => k - first)) : undefined,
        says: (k) => [
          ...(name ? [name] : []),
          `${x}: ${written(values[x][at(k)], 6)}`,
          `${y}: ${written(values[y][at(k)], 6)}`,
          ...(low ? [`nine in ten: ${written(low[at(k)], 4)} to ${written(high[at(k)], 4)}`] : []),
          `record ${records[at(k)]}${turns.length ? `, branch ${b + 1}` : ""}`,
        ],
      };
    });
  }

  // The point of the curve at which the map is.
  marker(line, x, y) {
    if (!line || !this.data.maps || this.record === undefined) return null;
    const { values, records } = line;
    let k = records.findIndex((record) => record >= this.record);
    if (k < 0) k = records.length - 1;
    return { x: values[x][k], y: values[y][k] };
  }

  drawSizes() {
    const { sizes, count } = this.data.avalanches;
    options(byId("size"), Object.entries(sizes).map(([name, { label }]) => [name, label]), sizes.events.largest > 1 ? "events" : "slip");
    const name = byId("size").value;
    const { label, units, size, density, in_bin: inBin, mean, largest, zero } = sizes[name];
    this.sizes.show({
      key: name,
      x: { label: withUnit(label, units), log: true },
      y: { label: "probability density", log: true },
      series: [{
        x: size, y: density, dots: true, width: 1,
        says: (k) => [`${name}: ${written(size[k], 4)}`, `density: ${written(density[k], 3)}`, `${inBin[k]} avalanches`],
      }],
    });
    const none = zero ? `; ${zero} of size 0 are left out` : "";
    byId("sizes-said").textContent = `${count} avalanches; mean ${written(mean, 4)}, largest ${written(largest, 4)}${none}.`;
  }

  drawCycles() {
    const { names, lines, recurrence } = this.data.cycles;
    options(byId("cycle-y"), Object.entries(names).map(([name, [label]]) => [name, label]), "changed");
    byId("recurrence").textContent = recurrence && `Recurrence: ${recurrence}.`; // of a sine nobody asks
    const y = byId("cycle-y").value;
    const { transient = [], period = [] } = lines.length === 1 ? lines[0] : {};
    const back = period.at(-1) > 0;
    this.cycle.show({
      key: y,
      x: { label: "cycle" },
      y: { label: withUnit(...names[y]) },
      free: lines.length > 1,
      rule: back ? transient.at(-1) : undefined,
      series: lines.map((line, k) => ({
        x: line.cycle, y: line[y], dots: true, width: 1,
        says: (at) => [...(lines.length > 1 ? [`realization ${k}`] : []), `cycle ${line.cycle[at]}`, `${y}: ${written(line[y][at], 6)}`],
      })),
    });
  }

  drawMemory({ what, trained, amplitudes, changed }) {
    this.memory.show({
      key: what,
      x: { label: "amplitude of a read-out cycle, in strain" },
      y: { label: `sites whose ${what} is not as trained` },
      rule: trained,
      series: [{
        x: amplitudes, y: changed, dots: true, width: 1,
        says: (k) => [`amplitude: ${written(amplitudes[k])}`, `${written(changed[k])} sites`, `trained at ${written(trained)}`],
      }],
    });
  }

  provenance() {
    const { provenance, parts, keys, input, version } = this.data;
    const others = parts.flatMap((part, k) => part.map(([name, value]) => [`part ${k + 1}: ${name}`, value]));
    rows(byId("provenance"), [...provenance, ...others]);
    rows(byId("keys"), keys);
    byId("input").textContent = input;
    byId("of-input").hidden = !input;
    byId("footer").textContent = `Made by hpcepm ${version}.`;
  }
}

// A run that goes on writes this page anew. A frame that nobody sees opens it, and hands its content
// over: so nothing flickers, and what was chosen, zoomed and focused stays. (A page on a disk may not
// read a file, not even its own.)
class Renewal {
  constructor(page) {
    this.page = page;
    this.frame = null;
    addEventListener("message", (event) => {
      if (!this.frame || event.source !== this.frame.contentWindow || !event.data.hpcepm) return;
      if (event.data.hpcepm.written !== page.data.written) page.show(event.data.hpcepm);
      this.close();
    });
    this.wait();
  }

  wait() {
    if (!this.page.data.reload) return;
    setTimeout(() => {
      this.close();
      if (!this.page.data.reload) return; // the newest page was the last
      const here = new URL(location.href);
      [here.search, here.hash] = [String(Date.now()), "data"];
      this.frame = element("iframe", { src: here.href, hidden: "", title: "newer page" });
      document.body.append(this.frame);
      this.page.age();
      this.wait();
    }, 1000 * this.page.data.reload);
  }

  close() {
    if (this.frame) this.frame.remove();
    this.frame = null;
  }
}

{
  const data = JSON.parse(byId("data").textContent);
  if (window.parent !== window && location.hash === "#data") {
    const reader = location.protocol === "file:" ? "*" : location.origin;
    window.parent.postMessage({ hpcepm: data }, reader);
  } else {
    const page = new Page();
    page.show(data);
    new Renewal(page);
  }
}
