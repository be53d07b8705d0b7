// The flame graph: callers above what they call. Only what is wide enough is visited at all.

const ROW = 20;
const NARROW = 0.7; // CSS pixels: what is narrower is a mark without children

class Flame {
  constructor(host, model, choose) {
    this.model = model;
    this.choose = choose;
    this.modes = model.isDiff ? DIFF_MODES : MODES;
    this.surface = new Surface(host, {
      label: "Flame graph. Arrow keys move, Enter zooms in, Escape zooms out.",
      draw: () => this.draw(),
      height: () => (this.tree.levels + 1) * ROW,
    });
    this.zoomed = -1;
    this.at = -1; // the node that keys move from
    this.hover = -1;
    host.prepend(this.toolbar());
    host.append(this.note());
    this.listen();
    this.setMode(0);
  }

  // ---- what is shown ---------------------------------------------------------------------------

  toolbar() {
    this.choices = this.modes.map((mode, i) =>
      el(
        "button",
        { type: "button", title: mode.title, onclick: () => this.setMode(i) },
        mode.label,
      ),
    );
    this.back = el("button", { type: "button", onclick: () => this.out() }, "Zoom out");
    this.reset = el("button", { type: "button", onclick: () => this.zoom(-1) }, "Reset");
    this.status = el("output", { className: "status" });
    return el(
      "div",
      { className: "toolbar" },
      el("div", { className: "group", role: "group", "aria-label": "Width" }, ...this.choices),
      el("div", { className: "group" }, this.back, this.reset),
      this.status,
      ...(this.model.isDiff ? [legend()] : []),
    );
  }

  note() {
    const left = this.model.data.tree.left_out;
    const parts = [];
    if (left) parts.push(`${plural(left, "smaller call path")} left out.`);
    if (this.model.cut.size)
      parts.push("Chains deeper than 1000 calls are counted at the last level.");
    return el("p", { className: "note", hidden: !parts.length }, parts.join(" "));
  }

  setMode(i) {
    this.mode = this.modes[i];
    this.choices.forEach((button, j) => button.setAttribute("aria-pressed", String(i === j)));
    const made = (this.mode.made ??= this.mode.make(this.model));
    this.tree = made.tree;
    this.shape = made.layout;
    this.figures = made.figures;
    this.zoom(-1);
  }

  zoom(node) {
    this.zoomed = node;
    this.at = node;
    this.x0 = node < 0 ? 0 : this.shape.x[node];
    this.x1 = node < 0 ? this.shape.whole : this.x0 + this.shape.value[node];
    if (node < 0) this.surface.scroll = 0;
    this.back.disabled = this.reset.disabled = node < 0;
    this.update();
  }

  out() {
    if (this.zoomed >= 0) this.zoom(this.tree.parent[this.zoomed]);
  }

  /** After a search, a choice or a zoom. */
  update() {
    const { whole, value } = this.shape;
    this.hits = this.model.found === null ? null : this.countHits();
    const shown = this.zoomed < 0 ? "" : `${this.model.name(this.tree.func[this.zoomed])}: `;
    const amount = this.zoomed < 0 ? whole : value[this.zoomed];
    this.status.textContent = this.tree.n
      ? `${shown}${this.mode.text(amount)}${shown ? `, ${shareText(amount, whole)} of all` : ""}`
      : "";
    this.surface.redraw();
  }

  /** Before each node so many match: that of what is below one is a difference. */
  countHits() {
    const { n, func } = this.tree;
    const hits = new Int32Array(n + 1);
    for (let i = 0; i < n; i++) hits[i + 1] = hits[i] + this.model.found[func[i]];
    return hits;
  }

  /** The share of all that matching functions and what they call take. */
  share() {
    const { tree, shape } = this;
    let sum = 0;
    for (let i = 0; i < tree.n;) {
      if (this.model.matches(tree.func[i])) {
        sum += shape.value[i];
        i = tree.end[i];
      } else i++;
    }
    return shareText(sum, shape.whole);
  }

  /** The widest node whose function passes the test; -1: none. */
  widest(test) {
    const { tree, shape } = this;
    let best = -1;
    for (let i = 0; i < tree.n; i++) {
      if ((best < 0 || shape.value[i] > shape.value[best]) && test(tree.func[i])) best = i;
    }
    return best;
  }

  showFunction(f) {
    const best = this.widest((func) => func === f);
    if (best < 0) return false;
    this.zoom(best);
    this.surface.reveal(this.tree.depth[best] * ROW, ROW * 2);
    return true;
  }

  // ---- drawing ---------------------------------------------------------------------------------

  draw() {
    const { tree, shape, surface } = this;
    if (!tree.n) return drawEmpty(surface, "No calls in this part of the recording.");
    const scale = surface.width / (this.x1 - this.x0 || 1);
    const first = Math.floor(surface.scroll / ROW);
    const last = Math.ceil((surface.scroll + surface.height) / ROW);
    const marked = new Int32Array(tree.levels).fill(-1); // by level the last column with a mark
    this.drawn = 0;
    for (let i = 0; i < tree.n;) {
      const x = (shape.x[i] - this.x0) * scale;
      const width = shape.value[i] * scale;
      const depth = tree.depth[i];
      if (x >= surface.width) {
        i = tree.parent[i] < 0 ? tree.n : tree.end[tree.parent[i]];
      } else if (x + width <= 0 || depth > last || width === 0) {
        i = tree.end[i];
      } else if (width < NARROW) {
        this.drawMark(i, Math.floor(x), marked);
        i = tree.end[i];
      } else {
        if (depth >= first) this.drawNode(i, x, width);
        i++;
      }
    }
    this.drawRings(scale);
  }

  /** Of what is too narrow, with all below it. */
  drawMark(i, column, marked) {
    const depth = this.tree.depth[i];
    const hit = this.hits !== null && this.hits[this.tree.end[i]] > this.hits[i];
    if (column === marked[depth] && !hit) return;
    marked[depth] = column;
    const c = this.surface.context;
    c.globalAlpha = this.hits === null || hit ? 1 : 0.4;
    c.fillStyle = ink(hit ? "match" : "small");
    c.fillRect(column, depth * ROW - this.surface.scroll, 1, ROW - 1);
    c.globalAlpha = 1;
  }

  drawNode(i, x, width) {
    const c = this.surface.context;
    const f = this.tree.func[i];
    const left = Math.max(x, 0);
    const seen = Math.min(x + width, this.surface.width) - left;
    const y = this.tree.depth[i] * ROW - this.surface.scroll;
    const gap = width > 3 ? 1 : 0;
    const hit = this.hits !== null && this.model.matches(f);
    const dim = this.hits !== null && !hit;
    this.drawn++;
    c.globalAlpha = dim ? 0.3 : i < this.zoomed ? 0.6 : 1; // above what is zoomed to: its callers
    c.fillStyle = hit ? ink("match") : this.colour(i);
    c.fillRect(left, y, seen - gap, ROW - 1);
    const mark = this.model.isDiff ? this.figures.mark(i) : "";
    if (mark === "new" || mark === "gone") {
      c.fillStyle = hatch(c, mark === "new");
      c.fillRect(left, y, seen - gap, ROW - 1);
    }
    if (seen > 28) {
      c.globalAlpha = dim ? 0.65 : 1;
      c.fillStyle = ink(hit ? "match-ink" : "frame-ink");
      this.surface.text(
        mark ? `${mark} ${this.model.name(f)}` : this.model.name(f),
        left,
        y + ROW / 2,
        seen,
      );
    }
    c.globalAlpha = 1;
  }

  colour(i) {
    return this.model.isDiff
      ? changeColour(this.figures.change(i))
      : functionColour(this.tree.func[i]);
  }

  /** Around the chosen function's nodes, the one under the pointer and the one that keys are at. */
  drawRings(scale) {
    const { tree, shape, surface, model } = this;
    const c = surface.context;
    const ring = (i, colour, line) => {
      const x = (shape.x[i] - this.x0) * scale;
      const left = Math.max(x, 0);
      const seen = Math.min(x + shape.value[i] * scale, surface.width) - left;
      if (seen < NARROW) return;
      c.strokeStyle = colour;
      c.lineWidth = line;
      c.strokeRect(
        left + line / 2,
        tree.depth[i] * ROW - surface.scroll + line / 2,
        Math.max(1, seen - line - 1),
        ROW - line - 1,
      );
    };
    if (model.chosen >= 0) {
      for (let i = 0; i < tree.n; i++) if (tree.func[i] === model.chosen) ring(i, ink("ink"), 1.5);
    }
    if (this.hover >= 0) ring(this.hover, ink("ink"), 1);
    if (this.at >= 0 && surface.focused) ring(this.at, ink("accent"), 3);
  }

  // ---- pointer and keys ------------------------------------------------------------------------

  nodeAt({ x, y, scroll }) {
    const { tree, shape } = this;
    const depth = Math.floor((y + scroll) / ROW);
    const wanted = this.x0 + (x / this.surface.width) * (this.x1 - this.x0);
    for (let i = 0; i < tree.n;) {
      if (wanted < shape.x[i]) return -1;
      if (wanted >= shape.x[i] + shape.value[i]) i = tree.end[i];
      else if (tree.depth[i] === depth) return i;
      else i++;
    }
    return -1;
  }

  listen() {
    const { canvas } = this.surface;
    canvas.addEventListener("pointermove", (event) => {
      const node = this.nodeAt(this.surface.place(event));
      if (node !== this.hover) this.surface.redraw();
      this.hover = node;
      if (node < 0) tip(event, "", []);
      else tip(event, this.model.labels[this.tree.func[node]] || "(no name)", this.rows(node));
      canvas.style.cursor = node < 0 ? "default" : "pointer";
    });
    canvas.addEventListener("pointerleave", (event) => {
      this.hover = -1;
      tip(event, "", []);
      this.surface.redraw();
    });
    canvas.addEventListener("click", (event) => {
      const node = this.nodeAt(this.surface.place(event));
      if (node < 0) return;
      this.zoom(node);
      this.choose(this.tree.func[node]);
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  rows(i) {
    return [
      ...this.figures.rows(i),
      [this.mode.share, shareText(this.shape.value[i], this.shape.whole)],
      ["where", this.model.wherePath(this.tree.func[i])],
      ...(this.model.cut.has(i) && this.tree === this.model.tree
        ? [["note", "and deeper calls"]]
        : []),
    ];
  }

  key(event) {
    const { tree, at } = this;
    if (event.ctrlKey || event.altKey || event.metaKey || !tree.n) return;
    let to = -1;
    if (event.key === "Enter" || event.key === " ") {
      if (at >= 0) this.zoom(at);
    } else if (event.key === "Backspace" || (event.key === "Escape" && this.zoomed >= 0)) {
      this.out();
      event.stopPropagation();
    } else if (event.key === "Home") {
      this.zoom(-1);
      to = 0;
    } else if (event.key === "ArrowDown") to = at < 0 ? 0 : tree.end[at] > at + 1 ? at + 1 : at;
    else if (event.key === "ArrowUp") to = at < 0 ? 0 : tree.parent[at];
    else if (event.key === "ArrowLeft") to = at < 0 ? 0 : tree.siblings(at)[0];
    else if (event.key === "ArrowRight") to = at < 0 ? 0 : tree.siblings(at)[1];
    else return;
    event.preventDefault();
    if (to >= 0) this.moveTo(to);
  }

  moveTo(node) {
    const { tree, shape, surface } = this;
    const outside = shape.x[node] + shape.value[node] <= this.x0 || shape.x[node] >= this.x1;
    const small = (shape.value[node] / (this.x1 - this.x0)) * surface.width < 3;
    const above = this.zoomed >= 0 && node < this.zoomed && tree.end[node] > this.zoomed;
    if (small || above) this.zoom(node);
    else if (outside) this.zoom(tree.parent[node]);
    this.at = node;
    surface.reveal(tree.depth[node] * ROW, ROW);
    surface.redraw();
    this.choose(tree.func[node]);
    announce(
      `${this.model.labels[tree.func[node]]}, level ${tree.depth[node] + 1}: ${this.rows(node)
        .map((row) => row.join(" "))
        .join(", ")}`,
    );
  }
}

function drawEmpty(surface, text) {
  const c = surface.context;
  c.fillStyle = ink("muted");
  c.textAlign = "center";
  c.fillText(text, surface.width / 2, Math.min(surface.height / 2, 120));
  c.textAlign = "start";
}
