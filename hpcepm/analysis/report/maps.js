// Maps of a field: a slider over strains or times, colours, and the value of a site.

// Dark to light; and blue, white, orange, so that the middle is seen by those who see no red or no green.
const SEQUENTIAL = [[13, 17, 43], [37, 50, 110], [46, 99, 140], [84, 148, 138], [164, 194, 131], [250, 237, 170]];
const DIVERGING = [[14, 52, 108], [66, 126, 184], [168, 203, 226], [246, 246, 244], [245, 196, 142], [214, 120, 40], [122, 55, 6]];

// The colour at a place from 0 to 1 in a palette.
function colourAt(palette, place) {
  const at = Math.min(1, Math.max(0, place)) * (palette.length - 1);
  const k = Math.min(palette.length - 2, Math.floor(at));
  return palette[k].map((from, c) => Math.round(from + (at - k) * (palette[k + 1][c] - from)));
}

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The value that a level from 0 to 255 stands for.
function valueOf({ low, high, power }, level) {
  return low + (level / 255) ** power * (high - low);
}

// The values at both ends of the colours, of some maps together; and how far they go from a middle.
function rangeOf(maps) {
  const low = Math.min(...maps.map((one) => one.from));
  const high = Math.max(...maps.map((one) => one.to));
  const half = Math.max(...maps.map(({ from, to, middle }) => Math.max(to - middle, middle - from)));
  return { low, high, half };
}

class Maps {
  // `moved` is called with the record of the map that is shown.
  constructor(moved) {
    this.moved = moved;
    const ids = ["field", "of-realization", "range", "slider", "slider-label", "range-all", "at", "pixels", "colours", "low", "middle", "high", "site", "play"];
    for (const id of ids) this[id] = document.getElementById(id);
    this.label = document.getElementById("map-label");
    this.chosen = this["of-realization"];
    this.profile = new Chart(document.getElementById("profile"), "Profiles of the map");
    for (const one of [this.field, this.range, this.slider]) one.addEventListener("input", () => this.draw());
    this.chosen.addEventListener("input", () => this.choose());
    this.pixels.addEventListener("pointermove", (event) => this.read(event));
    this.pixels.addEventListener("pointerdown", (event) => this.read(event));
    this.pixels.addEventListener("pointerleave", () => this.rest());
    this.play.addEventListener("click", () => this.run(this.timer === undefined));
  }

  rest() {
    this.site.textContent = "Point at the map to read it.";
  }

  show(data) {
    this.rest();
    const atEnd = !this.data || Number(this.slider.value) === Number(this.slider.max);
    this.data = data;
    options(this.chosen, data.series.map(({ realization }) => [String(realization), String(realization)]));
    this.chosen.parentElement.hidden = data.series.length === 1;
    options(this.field, Object.entries(data.fields).map(([name, { label }]) => [name, label]), "epsilon_p");
    this["slider-label"].textContent = data.along.label;
    this["range-all"].textContent = `the same for all ${data.along.label}s`;
    this.slider.max = this.series().at.length - 1;
    if (atEnd) this.slider.value = this.slider.max; // whoever looks at the newest map goes on to
    [this.pixels.width, this.pixels.height] = data.size;
    this.draw();
  }

  // The maps of the realization that was chosen.
  series() {
    return this.data.series.find(({ realization }) => String(realization) === this.chosen.value);
  }

  // Go to another realization, to its map that is nearest in strain or time.
  choose() {
    const { at } = this.series();
    const away = at.map((one) => Math.abs(one - this.shown));
    const same = at[this.slider.value] === this.shown; // the load may have come here twice
    const k = same ? this.slider.value : away.indexOf(Math.min(...away));
    this.slider.max = at.length - 1;
    this.slider.value = k;
    this.draw();
  }

  // Show one map after the other, from the first if the last is shown.
  run(on) {
    clearInterval(this.timer);
    this.timer = undefined;
    this.play.textContent = on ? "stop" : "play";
    if (!on) return;
    if (this.slider.value === this.slider.max) this.slider.value = -1;
    this.timer = setInterval(() => {
      this.slider.value = Number(this.slider.value) + 1;
      this.draw();
      if (this.slider.value === this.slider.max) this.run(false);
    }, 250);
  }

  async draw() {
    const { at, records, maps } = this.series();
    const k = Number(this.slider.value);
    const field = this.data.fields[this.field.value];
    const all = maps[this.field.value];
    const map = all[k];
    this.shown = at[k];
    const said = `${this.data.along.symbol} = ${written(at[k])}`;
    this.at.textContent = `${said}, map ${k + 1} of ${at.length}`;
    this.slider.setAttribute("aria-valuetext", said);
    this.moved(records[k], Number(this.chosen.value));
    const wanted = (this.wanted = Symbol("map"));
    const levels = await unpacked(map.pixels);
    if (wanted !== this.wanted) return; // the slider has gone on
    this.now = { map, levels };
    const { low, high, half } = rangeOf(this.range.value === "all" ? all : [map]);
    // What has a middle in one map has it in all: a map without negative values has it at 0.
    const around = this.data.series.some((one) => one.maps[this.field.value].some(({ middle }) => middle !== null));
    const power = around ? 1 : map.power;
    const [from, to] = around ? [map.middle - half, map.middle + half] : [low, high];
    const palette = around ? DIVERGING : SEQUENTIAL;
    const place = (value) => Math.max(0, (value - from) / (to - from)) ** (1 / power);
    this.paint(map, levels, (value) => colourAt(palette, to > from ? place(value) : 0.5));
    this.paintColours(palette);
    this.low.textContent = written(from, 3);
    this.middle.textContent = written(from + 0.5 ** power * (to - from), 3);
    this.high.textContent = written(to, 3);
    this.label.textContent = withUnit(field.label, field.units);
    this.drawProfile(this.label.textContent, map, levels);
    this.pixels.setAttribute("aria-label", `Map of ${field.label} at ${said}`);
  }

  // The mean of the map over each line of sites: a band is a peak along the direction across it.
  drawProfile(label, map, levels) {
    const [width, height] = this.data.size;
    const sums = { x: new Array(width).fill(0), y: new Array(height).fill(0) };
    levels.forEach((level, at) => {
      const value = valueOf(map, level);
      sums.x[at % width] += value / height;
      sums.y[height - 1 - Math.floor(at / width)] += value / width;
    });
    this.profile.show({
      key: this.field.value,
      x: { label: "position along x (blue) and y (orange), in cells" },
      y: { label: `${label}, mean of a line` },
      free: true,
      series: Object.entries(sums).map(([axis, means], s) => ({
        x: means.map((_, k) => k * this.data.block),
        y: means,
        colour: ["var(--line)", "var(--mark)"][s],
        says: (k) => [`${axis} ${this.cells(k, this.data.shape[s])}`, `mean: ${written(means[k], 4)}`],
      })),
    });
  }

  // The sites that a pixel stands for, of so many along an axis.
  cells(k, n) {
    const [first, last] = [k * this.data.block, Math.min(n, (k + 1) * this.data.block) - 1];
    return first === last ? `${first}` : `${first} to ${last}`;
  }

  paint(map, levels, colour) {
    const table = new Uint32Array(256);
    const bytes = new Uint8Array(table.buffer); // red, green, blue, opaque
    for (let k = 0; k < 256; k++) bytes.set([...colour(valueOf(map, k)), 255], 4 * k);
    const image = new ImageData(this.pixels.width, this.pixels.height);
    new Uint32Array(image.data.buffer).set(Uint32Array.from(levels, (level) => table[level]));
    this.pixels.getContext("2d").putImageData(image, 0, 0);
  }

  paintColours(palette) {
    const image = new ImageData(256, 1);
    for (let k = 0; k < 256; k++) image.data.set([...colourAt(palette, k / 255), 255], 4 * k);
    this.colours.getContext("2d").putImageData(image, 0, 0);
  }

  // Say which site the pointer is at, and its value.
  read(event) {
    if (!this.now) return;
    const seen = this.pixels.getBoundingClientRect();
    const [width, height] = this.data.size;
    const column = Math.floor(((event.clientX - seen.left) / seen.width) * width);
    const row = Math.floor(((event.clientY - seen.top) / seen.height) * height);
    if (column < 0 || row < 0 || column >= width || row >= height) return;
    const { map, levels } = this.now;
    const value = valueOf(map, levels[row * width + column]);
    const [nx, ny] = this.data.shape;
    const x = this.cells(column, nx);
    const y = this.cells(height - 1 - row, ny);
    this.site.textContent = `x ${x}, y ${y}: ${written(value, 4)}`;
  }
}
