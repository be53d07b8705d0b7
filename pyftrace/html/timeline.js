// When what ran: a lane for each thread, a row for each level. A span of several calls stands for
// those too short to be kept apart; it is paler the less of it they fill.

const SPAN_ROW = 17;
const LANE_HEAD = 24;
const AXIS = 24;
const OVERVIEW = 46;

class Lane {
  constructor(thread) {
    this.thread = thread;
    const n = thread.depth.length;
    this.begin = new Float64Array(n);
    this.end = new Float64Array(n);
    this.mixed = new Uint8Array(n);
    for (const i of thread.mixed) this.mixed[i] = 1;
    let at = 0;
    this.starts = []; // of each level its first span
    for (let i = 0; i < n; i++) {
      at += thread.begin[i];
      this.begin[i] = at;
      this.end[i] = at + thread.length[i];
      while (this.starts.length <= thread.depth[i]) this.starts.push(i);
    }
    this.levels = this.starts.length;
    this.starts.push(n);
    this.height = LANE_HEAD + this.levels * SPAN_ROW + 8;
  }

  /** The first span of a level that ends after a time. */
  after(level, time) {
    let low = this.starts[level];
    let high = this.starts[level + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.end[middle] <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

class Timeline {
  constructor(host, model, choose) {
    this.model = model;
    this.choose = choose;
    this.lanes = model.data.threads.map((thread) => new Lane(thread));
    const used = this.lanes.filter((lane) => lane.begin.length);
    this.least = used.reduce((t, lane) => Math.min(t, lane.begin[0]), Infinity);
    this.most = used.reduce((t, lane) => lane.end.reduce((a, b) => Math.max(a, b), t), 0);
    if (!used.length) [this.least, this.most] = [0, 1];
    this.most = Math.max(this.most, this.least + 1);
    [this.t0, this.t1] = [this.least, this.most];
    this.overview = el("canvas", { className: "overview", title: "Drag to choose a range" });
    this.range = el("output", { className: "status" });
    const button = (text, title, act) =>
      el("button", { type: "button", title, onclick: act }, text);
    const buttons = [
      button("+", "Zoom in", () => this.zoomBy(0.5)),
      button("−", "Zoom out", () => this.zoomBy(2)),
      button("All", "The whole range", () => this.show(this.least, this.most)),
    ];
    host.append(
      el(
        "div",
        { className: "toolbar" },
        el("div", { className: "group" }, ...buttons),
        this.range,
      ),
      this.overview,
    );
    this.surface = new Surface(host, {
      label: "Timeline. Arrow keys move, plus and minus zoom, 0 shows all.",
      draw: () => this.draw(),
      height: () => AXIS + this.lanes.reduce((sum, lane) => sum + lane.height, 0),
    });
    host.append(this.note());
    this.hover = null;
    this.listen();
    this.listenOverview();
    this.show(this.least, this.most);
  }

  note() {
    const { data } = this.model;
    const limit = Math.max(0, ...data.threads.map((thread) => thread.limit));
    const deeper = data.threads.reduce((sum, thread) => sum + thread.deeper, 0);
    const parts = [];
    if (limit)
      parts.push(
        `Calls shorter than ${timeText(limit)} may be added up with their neighbours: f ×12.`,
      );
    if (deeper) parts.push(`${plural(deeper, "call")} below 128 levels not drawn.`);
    if (data.threads_left_out) {
      parts.push(`${plural(data.threads_left_out, "quieter thread")} left out (--tid shows one).`);
    }
    return el("p", { className: "note", hidden: !parts.length }, parts.join(" "));
  }

  // ---- the range -------------------------------------------------------------------------------

  show(t0, t1) {
    const whole = this.most - this.least;
    const length = clamp(t1 - t0, Math.min(20, whole), whole);
    this.t0 = clamp((t0 + t1 - length) / 2, this.least, this.most - length);
    this.t1 = this.t0 + length;
    const parts = [`${timeText(length)} shown`];
    if (length < whole) {
      parts.push(`--since ${Math.max(0, Math.floor(this.t0))}ns --until ${Math.ceil(this.t1)}ns`);
    }
    this.range.textContent = parts.join(":  ");
    this.update();
  }

  zoomBy(factor, at = (this.t0 + this.t1) / 2) {
    this.show(at - (at - this.t0) * factor, at + (this.t1 - at) * factor);
  }

  panBy(share) {
    const by = (this.t1 - this.t0) * share;
    const moved = clamp(by, this.least - this.t0, this.most - this.t1);
    this.show(this.t0 + moved, this.t1 + moved);
  }

  update() {
    this.surface.redraw();
    requestAnimationFrame(() => this.drawOverview());
  }

  x(t) {
    return ((t - this.t0) / (this.t1 - this.t0)) * this.surface.width;
  }

  time(x, width = this.surface.width, t0 = this.t0, t1 = this.t1) {
    return t0 + (x / width) * (t1 - t0);
  }

  // ---- drawing ---------------------------------------------------------------------------------

  draw() {
    const { surface } = this;
    if (!this.lanes.length) return drawEmpty(surface, "No calls in this part of the recording.");
    let y = AXIS - surface.scroll;
    for (const lane of this.lanes) {
      if (y < surface.height && y + lane.height > 0) this.drawLane(lane, y);
      y += lane.height;
    }
    this.drawAxis();
  }

  drawLane(lane, top0) {
    const c = this.surface.context;
    const { thread } = lane;
    c.fillStyle = ink("line");
    c.fillRect(0, top0, this.surface.width, 1);
    c.fillStyle = ink("muted");
    c.fillText(
      `${thread.name || "(no name)"}   pid ${thread.pid}, tid ${thread.tid}, ` +
        plural(thread.events, "event"),
      6,
      top0 + LANE_HEAD / 2 + 1,
      this.surface.width - 12,
    );
    for (let level = 0; level < lane.levels; level++) {
      const y = top0 + LANE_HEAD + level * SPAN_ROW;
      if (y > -SPAN_ROW && y < this.surface.height) this.drawLevel(lane, level, y);
    }
  }

  drawLevel(lane, level, y) {
    const stop = lane.starts[level + 1];
    let column = -1;
    for (let i = lane.after(level, this.t0); i < stop && lane.begin[i] < this.t1; i++) {
      const left = Math.max(0, this.x(lane.begin[i]));
      const right = Math.min(this.surface.width, this.x(lane.end[i]));
      if (right - left < 1) {
        // one mark a column
        if (Math.floor(left) === column) continue;
        column = Math.floor(left);
      }
      this.drawSpan(lane, i, left, Math.max(1, right - left), y);
    }
  }

  drawSpan(lane, i, left, width, y) {
    const c = this.surface.context;
    const { thread } = lane;
    const f = thread.function[i];
    const { model } = this;
    const hit = model.found !== null && model.matches(f);
    const filled = thread.calls[i] > 1 ? 0.5 + 0.4 * (thread.busy[i] / (thread.length[i] || 1)) : 1;
    c.globalAlpha = model.found !== null && !hit ? 0.25 : filled;
    c.fillStyle = hit ? ink("match") : functionColour(f);
    c.fillRect(left, y, width > 3 ? width - 1 : width, SPAN_ROW - 1);
    c.globalAlpha = model.found !== null && !hit ? 0.4 : 1;
    if (width > 28) {
      c.fillStyle = ink(hit ? "match-ink" : "frame-ink");
      this.surface.text(this.label(lane, i), left, y + SPAN_ROW / 2, width);
    }
    c.globalAlpha = 1;
    if (model.chosen === f && width > 2) {
      c.strokeStyle = ink("ink");
      c.lineWidth = 1.5;
      c.strokeRect(left + 0.75, y + 0.75, Math.max(1, width - 2.5), SPAN_ROW - 2.5);
    }
  }

  label(lane, i) {
    const name = this.model.name(lane.thread.function[i]);
    const calls = lane.thread.calls[i];
    return calls === 1 ? name : `${name}${lane.mixed[i] ? " and others" : ""} ×${countText(calls)}`;
  }

  drawAxis() {
    const { surface } = this;
    const c = surface.context;
    c.fillStyle = ink("surface");
    c.fillRect(0, 0, surface.width, AXIS);
    c.fillStyle = ink("line");
    c.fillRect(0, AXIS - 1, surface.width, 1);
    const step = niceStep((this.t1 - this.t0) / Math.max(2, surface.width / 130));
    for (let t = Math.ceil(this.t0 / step) * step; t <= this.t1; t += step) {
      const x = this.x(t);
      c.fillStyle = ink("line");
      c.fillRect(Math.round(x), AXIS - 7, 1, 6);
      c.fillStyle = ink("muted");
      c.fillText(axisText(t, step), x + 4, AXIS / 2 - 1);
    }
    if (surface.focused) {
      c.strokeStyle = ink("accent");
      c.lineWidth = 3;
      c.strokeRect(1.5, 1.5, surface.width - 3, surface.height - 3);
    }
  }

  /** How much of each column the outermost calls fill, of all threads, and what is shown of it. */
  drawOverview() {
    const { overview } = this;
    const width = overview.clientWidth;
    if (!width) return;
    const ratio = window.devicePixelRatio || 1;
    overview.width = Math.round(width * ratio);
    overview.height = Math.round(OVERVIEW * ratio);
    const c = overview.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.fillStyle = ink("sunken");
    c.fillRect(0, 0, width, OVERVIEW);
    const busy = this.busyColumns(Math.ceil(width / 2));
    const peak = busy.reduce((a, b) => Math.max(a, b), 0) || 1;
    c.fillStyle = ink("small");
    busy.forEach((part, i) => {
      const height = Math.min(1, part / peak) * (OVERVIEW - 8);
      c.fillRect(i * 2, OVERVIEW - height, 2, height);
    });
    const scale = width / (this.most - this.least);
    const [left, right] = [(this.t0 - this.least) * scale, (this.t1 - this.least) * scale];
    c.globalAlpha = 0.6;
    c.fillStyle = ink("page");
    c.fillRect(0, 0, left, OVERVIEW);
    c.fillRect(right, 0, width - right, OVERVIEW);
    c.globalAlpha = 1;
    c.strokeStyle = ink("accent");
    c.lineWidth = 2;
    c.strokeRect(left + 1, 1, Math.max(2, right - left - 2), OVERVIEW - 2);
  }

  busyColumns(columns) {
    if (this.busy?.length === columns) return this.busy;
    const busy = new Float64Array(columns);
    const each = (this.most - this.least) / columns;
    for (const lane of this.lanes) {
      for (let i = 0; i < (lane.starts[1] ?? 0); i++) {
        const first = Math.floor((lane.begin[i] - this.least) / each);
        const last = Math.min(columns - 1, Math.floor((lane.end[i] - this.least) / each));
        const filled = lane.thread.busy[i] / (lane.thread.length[i] || 1);
        for (let k = first; k <= last; k++) {
          const from = Math.max(lane.begin[i], this.least + k * each);
          const to = Math.min(lane.end[i], this.least + (k + 1) * each);
          busy[k] += Math.max(0, to - from) * filled;
        }
      }
    }
    this.busy = busy;
    return busy;
  }

  // ---- pointer and keys ------------------------------------------------------------------------

  spanAt({ x, y, scroll }) {
    let top0 = AXIS;
    if (y < AXIS) return null;
    for (const lane of this.lanes) {
      const level = Math.floor((y + scroll - top0 - LANE_HEAD) / SPAN_ROW);
      if (y + scroll < top0 + lane.height) {
        if (level < 0 || level >= lane.levels) return null;
        const each = (this.t1 - this.t0) / this.surface.width;
        const i = lane.after(level, this.time(x) - each);
        const there = i < lane.starts[level + 1] && lane.begin[i] <= this.time(x) + each;
        return there ? { lane, i } : null;
      }
      top0 += lane.height;
    }
    return null;
  }

  listen() {
    const { canvas } = this.surface;
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      held = { x: event.clientX, t0: this.t0, t1: this.t1, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (held && (held.moved || Math.abs(event.clientX - held.x) > 3)) {
        held.moved = true;
        tip(event, "", []);
        [this.t0, this.t1] = [held.t0, held.t1];
        this.panBy((held.x - event.clientX) / this.surface.width);
        return;
      }
      const span = this.spanAt(this.surface.place(event));
      if (!span) return tip(event, "", []);
      tip(event, this.heading(span), this.rows(span));
    });
    canvas.addEventListener("pointerup", (event) => {
      const span = held && !held.moved ? this.spanAt(this.surface.place(event)) : null;
      held = null;
      if (span) this.choose(span.lane.thread.function[span.i]);
    });
    canvas.addEventListener("lostpointercapture", () => (held = null));
    canvas.addEventListener("pointerleave", (event) => tip(event, "", []));
    canvas.addEventListener("dblclick", (event) => {
      const span = this.spanAt(this.surface.place(event));
      if (span) this.show(span.lane.begin[span.i], span.lane.end[span.i]);
    });
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  wheel(event) {
    if (event.ctrlKey || event.metaKey) {
      this.zoomBy(2 ** (event.deltaY / 200), this.time(this.surface.place(event).x));
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      this.panBy(event.deltaX / this.surface.width);
    } else return; // scrolls
    event.preventDefault();
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "ArrowLeft") this.panBy(-0.2);
    else if (event.key === "ArrowRight") this.panBy(0.2);
    else if (event.key === "ArrowUp") this.surface.scroll -= 3 * SPAN_ROW;
    else if (event.key === "ArrowDown") this.surface.scroll += 3 * SPAN_ROW;
    else if (event.key === "+" || event.key === "=") this.zoomBy(0.5);
    else if (event.key === "-") this.zoomBy(2);
    else if (event.key === "0") this.show(this.least, this.most);
    else return;
    event.preventDefault();
    announce(`from ${timeText(this.t0)} to ${timeText(this.t1)}`);
  }

  heading({ lane, i }) {
    const f = lane.thread.function[i];
    return (this.model.labels[f] || "(no name)") + (lane.mixed[i] ? " and others" : "");
  }

  rows({ lane, i }) {
    const { thread } = lane;
    const several = thread.calls[i] > 1;
    return [
      [several ? "from" : "began", timeText(lane.begin[i])],
      [several ? "span" : "took", timeText(thread.length[i])],
      ...(several
        ? [
            ["calls", countText(thread.calls[i])],
            ["in them", timeText(thread.busy[i])],
          ]
        : []),
      ["thread", thread.name || "(no name)"],
      ["where", this.model.wherePath(thread.function[i])],
    ];
  }

  listenOverview() {
    const { overview } = this;
    const timeOf = (event) => {
      const box = overview.getBoundingClientRect();
      return this.time(
        clamp(event.clientX - box.left, 0, box.width),
        box.width,
        this.least,
        this.most,
      );
    };
    let from = null;
    overview.addEventListener("pointerdown", (event) => {
      from = timeOf(event);
      overview.setPointerCapture(event.pointerId);
    });
    overview.addEventListener("pointermove", (event) => {
      if (from === null) return;
      const to = timeOf(event);
      if (to !== from) this.show(Math.min(from, to), Math.max(from, to));
    });
    overview.addEventListener("lostpointercapture", () => (from = null));
    new ResizeObserver(() => this.drawOverview()).observe(overview);
    theme.listeners.push(() => this.drawOverview());
  }
}

/** 1, 2 or 5 times a power of ten ns, at least so long. */
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least);
}

/** With as many digits as tell one tick from the next. */
function axisText(t, step) {
  const [unit, factor] = [
    ["s", 1e9],
    ["ms", 1e6],
    ["us", 1e3],
    ["ns", 1],
  ].find(([, size]) => step >= size || (t >= size && step >= size / 1000)) ?? ["ns", 1];
  const digits = Math.max(0, Math.ceil(Math.log10(factor / step)));
  return `${(t / factor).toFixed(digits)} ${unit}`;
}
