// The chosen function: its figures, who calls it and what it calls; without one what takes longest.

const LISTED = 12; // callers or callees, until all are asked for

class Details {
  constructor(host, model, choose, actions) {
    this.host = host;
    this.model = model;
    this.choose = choose;
    this.actions = actions;
    this.update();
  }

  update() {
    const { chosen } = this.model;
    this.host.replaceChildren(...(chosen < 0 ? this.overview() : this.ofFunction(chosen)));
  }

  overview() {
    const { model } = this;
    if (!model.tabled) return [];
    const own = model.isDiff ? null : model.figures.self_ns;
    const size = (f) => (own ? own[f] : Math.abs(this.change(f)));
    const order = [...Array(model.tabled).keys()]
      .sort((a, b) => size(b) - size(a))
      .slice(0, LISTED);
    const whole = own ? own.reduce((a, b) => a + b, 0) : 0;
    const most = size(order[0]) || 1;
    const list = el(
      "ul",
      { className: "top" },
      ...order.map((f) => {
        const text = own
          ? `${timeText(own[f])}, ${shareText(own[f], whole)}`
          : `${this.change(f) > 0 ? "+" : ""}${timeText(this.change(f))}`;
        const item = el("li", {}, this.link(f), el("span", { className: "figure" }, text));
        addBar(item, size(f) / most);
        return item;
      }),
    );
    return [
      el("h2", {}, own ? "Most self time" : "Largest changes of self time"),
      list,
      el("p", { className: "note" }, "Choose a function here, in the graph or in the table."),
    ];
  }

  change(f) {
    const { a, b } = this.model.figures;
    return Model.sideOf(b.self_ns, f) - Model.sideOf(a.self_ns, f);
  }

  ofFunction(f) {
    const { model } = this;
    const { callers, callees } = model.neighbours(f);
    const button = (text, act) => el("button", { type: "button", onclick: act }, text);
    return [
      el(
        "div",
        { className: "chosen" },
        el("h2", { title: model.labels[f] }, model.name(f)),
        el(
          "button",
          {
            type: "button",
            className: "close",
            "aria-label": "Choose none",
            onclick: () => this.choose(-1),
          },
          "×",
        ),
      ),
      el(
        "p",
        { className: "place" },
        [model.modules[f], model.wherePath(f)].filter(Boolean).join("  "),
      ),
      el(
        "div",
        { className: "group" },
        button("In the graph", () => this.actions.graph(f)),
        button("In the table", () => this.actions.table(f)),
      ),
      el(
        "dl",
        { className: "figures" },
        ...rowList(model.isDiff ? this.changes(f) : this.figures(f)),
      ),
      ...this.list("Called by", callers),
      ...this.list("Calls", callees),
    ];
  }

  figures(f) {
    const { model } = this;
    if (f >= model.tabled) return [];
    const c = model.figures;
    const whole = c.self_ns.reduce((a, b) => a + b, 0);
    const rows = [
      ["calls", countText(c.calls[f])],
      ["total", `${timeText(c.total_ns[f])}, ${shareText(c.total_ns[f], whole)}`],
      ["self", `${timeText(c.self_ns[f])}, ${shareText(c.self_ns[f], whole)}`],
      ["average", timeText(c.total_ns[f] / Math.max(1, c.calls[f]))],
      ["min, max", `${timeText(c.min_ns[f])}, ${timeText(c.max_ns[f])}`],
      [
        "p50, p95, p99",
        [c.p50_ns[f], c.p95_ns[f], c.p99_ns[f]].map((n) => timeText(n ?? 0)).join(", "),
      ],
    ];
    if (c.resumes[f]) rows.push(["resumes", countText(c.resumes[f])]);
    return rows;
  }

  changes(f) {
    const { a, b } = this.model.figures;
    const row = (label, column, text) => {
      const [was, now] = [a[column][f], b[column][f]];
      return [
        label,
        `${was < 0 ? "-" : text(was)} → ${now < 0 ? "-" : text(now)} (${changeText(was, now)})`,
      ];
    };
    return [
      row("total", "total_ns", timeText),
      row("self", "self_ns", timeText),
      row("calls", "calls", countText),
    ];
  }

  list(heading, entries) {
    const title = el("h3", {}, heading);
    if (!entries.length)
      return [title, el("p", { className: "note" }, "nothing that was recorded")];
    const most = Math.max(1, ...entries.map((entry) => Math.max(...entry.time)));
    const rows = entries.map((entry) => this.entry(entry, most));
    const body = el("tbody", {}, ...rows.slice(0, LISTED));
    const table = el("table", { className: "near", "aria-label": heading }, body);
    if (rows.length <= LISTED) return [title, table];
    const more = el(
      "button",
      { type: "button", className: "more" },
      `${rows.length - LISTED} more`,
    );
    more.onclick = () => {
      body.append(...rows.slice(LISTED));
      more.remove();
    };
    return [title, table, more];
  }

  entry({ func, calls, time }, most) {
    const text = (values, make) => values.map(make).join(" → ");
    const changed = calls.length > 1 && calls[0] !== calls[1];
    const name = func < 0 ? el("span", { className: "outer" }, "top level") : this.link(func);
    const last = el("td", { className: "figure" }, text(time, timeText));
    const row = el(
      "tr",
      {},
      el("td", { className: "name" }, name),
      el(
        "td",
        { className: changed ? "figure changed" : "figure" },
        changed || calls.length === 1 ? text(calls, countText) : countText(calls[0]),
      ),
      last,
    );
    addBar(last, Math.max(...time) / most);
    return row;
  }

  link(f) {
    const { model } = this;
    return el(
      "button",
      {
        type: "button",
        className: "link",
        title: `${model.labels[f]}  ${model.wherePath(f)}`,
        onclick: () => this.choose(f),
      },
      model.name(f),
    );
  }
}
