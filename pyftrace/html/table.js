// The table of functions, or of what differs: sorted by any column, filtered by the search.

const FIRST_ROWS = 200;

const whereColumn = {
  key: "where",
  label: "Where",
  words: true,
  value: (m, f) => m.where(f),
  title: (m, f) => m.wherePath(f),
};
const nameColumn = { key: "name", label: "Function", words: true, value: (m, f) => m.labels[f] };

function figureColumn(key, label, help, text, value) {
  return { key, label, help, text, value };
}

const COLUMNS = [
  nameColumn,
  figureColumn(
    "calls",
    "Calls",
    "How often it was called",
    countText,
    (m, f) => m.figures.calls[f],
  ),
  ...[
    ["total", "Total", "Time in it and in what it calls"],
    ["self", "Self", "Time in itself"],
    ["avg", "Avg", "Total by calls"],
    ["min", "Min", "The shortest call"],
    ["max", "Max", "The longest call"],
    ["p50", "p50", "Half of the calls were shorter, within 2 %"],
    ["p95", "p95", "95 % of the calls were shorter, within 2 %"],
    ["p99", "p99", "99 % of the calls were shorter, within 2 %"],
  ].map(([key, label, help]) =>
    figureColumn(
      key,
      label,
      help,
      timeText,
      key === "avg"
        ? (m, f) => m.figures.total_ns[f] / Math.max(1, m.figures.calls[f])
        : (m, f) => m.figures[`${key}_ns`][f],
    ),
  ),
  whereColumn,
];

// ---- of a comparison ----------------------------------------------------------------------------

const sideText = (text) => (value) => (value < 0 ? "-" : text(value));
const sidesOf = (key) => (m, f) => [m.figures.a[key][f], m.figures.b[key][f]];

/** One side of a figure; -1 where it was not called. */
function sideColumn(key, side, label, text) {
  return {
    key: `${key}-${side}`,
    label,
    value: (m, f) => m.figures[side][key][f],
    text: sideText(text),
  };
}

/** What the second side has more, sorted by how much that is; `cell` makes its text. */
function moreColumn(key, label, alike, text, cell) {
  const sides = sidesOf(key);
  const more = (m, f) => Model.sideOf(m.figures.b[key], f) - Model.sideOf(m.figures.a[key], f);
  return {
    key: `${key}-more`,
    label,
    amount: true,
    value: more,
    cell: (m, f) => cell(...sides(m, f), more(m, f)),
    title: (m, f) => sides(m, f).map(sideText(text)).join(" → "),
    colour: (m, f) => relativeChange(...sides(m, f), alike),
  };
}

function timeChange(was, now, more) {
  const change = changeText(was, now);
  const told = /[\dnw]/.test(change) ? ` (${change})` : "";
  return more ? `${more > 0 ? "+" : ""}${timeText(more)}${told}` : "=";
}

function callsChange(was, now) {
  if (was === now) return countText(was);
  if (was < 0 || now < 0) return `${was < 0 ? "new" : "gone"}: ${countText(Math.max(was, now))}`;
  return `${countText(was)} → ${countText(now)}`;
}

const DIFF_COLUMNS = [
  nameColumn,
  sideColumn("total_ns", "a", "Total before", timeText),
  sideColumn("total_ns", "b", "after", timeText),
  moreColumn("total_ns", "change", ALIKE, timeText, timeChange),
  moreColumn("self_ns", "Self change", ALIKE, timeText, timeChange),
  moreColumn("calls", "Calls", 0, countText, callsChange),
  whereColumn,
];

class Table {
  constructor(host, model, choose) {
    this.model = model;
    this.choose = choose;
    this.columns = model.isDiff ? DIFF_COLUMNS : COLUMNS;
    this.sorted = model.isDiff ? "total_ns-more" : "total";
    this.descending = true;
    this.most = FIRST_ROWS;
    this.rows = new Map(); // function -> its row, of those shown
    this.head = el("tr", {}, ...this.columns.map((column) => this.heading(column)));
    this.body = el("tbody");
    this.more = el("button", { type: "button", className: "more", onclick: () => this.showAll() });
    this.empty = el("p", { className: "empty" });
    host.append(
      el(
        "div",
        { className: "scroller table", tabIndex: -1 },
        el("table", {}, el("thead", {}, this.head), this.body),
        this.empty,
        this.more,
      ),
    );
    this.listen();
    this.update();
  }

  heading(column) {
    const button = el(
      "button",
      {
        type: "button",
        title: column.help ?? `Sort by ${column.label}`,
        onclick: () => this.sort(column),
      },
      column.label,
    );
    return el(
      "th",
      { scope: "col", className: column.words ? "words" : "", "data-key": column.key },
      button,
    );
  }

  sort(column) {
    this.descending = this.sorted === column.key ? !this.descending : !column.words;
    this.sorted = column.key;
    this.update();
  }

  showAll() {
    this.most = Infinity;
    this.update();
  }

  order() {
    const { model } = this;
    const column = this.columns.find((each) => each.key === this.sorted);
    const keys = Array.from({ length: model.tabled }, (_, f) => {
      const value = column.value(model, f);
      return column.amount ? Math.abs(value) : value;
    });
    const sign = this.descending ? -1 : 1;
    const compare = column.words ? (a, b) => (a < b ? -1 : a > b ? 1 : 0) : (a, b) => a - b;
    return [...keys.keys()]
      .filter((f) => model.matches(f))
      .sort((a, b) => sign * compare(keys[a], keys[b]) || a - b);
  }

  /** After a search, a new order or a choice of how much. */
  update() {
    const order = this.order();
    for (const th of this.head.children) {
      const own = th.dataset.key === this.sorted;
      if (own) th.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    const most = this.columnMost();
    this.rows = new Map(order.slice(0, this.most).map((f) => [f, this.row(f, most)]));
    this.body.replaceChildren(...this.rows.values());
    const left = order.length - this.rows.size;
    this.more.hidden = left <= 0;
    this.more.textContent = `${plural(left, "more function")}: show all`;
    this.empty.hidden = order.length > 0;
    this.empty.textContent = this.model.tabled
      ? "No function matches the search."
      : "No calls in this part of the recording.";
    this.mark();
  }

  columnMost() {
    if (this.model.isDiff) return null;
    const { total_ns: total, self_ns: own } = this.model.figures;
    return {
      total: total.reduce((a, b) => Math.max(a, b), 1),
      self: own.reduce((a, b) => Math.max(a, b), 1),
    };
  }

  row(f, most) {
    const { model } = this;
    const cells = this.columns.map((column) => {
      if (column === nameColumn) return this.nameCell(f);
      const value = column.value(model, f);
      const text = column.cell ? column.cell(model, f) : column.text ? column.text(value) : value;
      const title = column.words || column.cell ? column.title(model, f) : "";
      const cell = el("td", { className: column.words ? "words where" : "", title }, text);
      if (most?.[column.key]) addBar(cell, value / most[column.key]);
      if (column.colour) markChange(cell, column.colour(model, f));
      return cell;
    });
    return el("tr", { tabIndex: -1, "data-function": f }, ...cells);
  }

  nameCell(f) {
    const { model } = this;
    const module = model.modules[f] ? `${model.modules[f]}.` : "";
    return el(
      "td",
      { className: "words name", title: model.labels[f] },
      el("span", { className: "module" }, module),
      el("b", {}, model.name(f)),
    );
  }

  /** Shows the chosen function's row as such. */
  mark() {
    const { chosen } = this.model;
    for (const [f, row] of this.rows) row.setAttribute("aria-selected", String(f === chosen));
    const first = this.rows.get(chosen) ?? this.body.firstElementChild;
    for (const row of this.rows.values()) row.tabIndex = row === first ? 0 : -1;
  }

  reveal() {
    this.rows.get(this.model.chosen)?.scrollIntoView({ block: "nearest" });
  }

  listen() {
    const functionOf = (event) => event.target.closest("tr[data-function]");
    this.body.addEventListener("click", (event) => {
      const row = functionOf(event);
      if (row) this.choose(Number(row.dataset.function));
    });
    this.body.addEventListener("keydown", (event) => {
      const row = functionOf(event);
      const steps = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" };
      const next =
        { Home: this.body.firstElementChild, End: this.body.lastElementChild }[event.key] ??
        row?.[steps[event.key]];
      if (next) {
        next.focus();
        this.choose(Number(next.dataset.function));
      } else if (event.key !== "Enter" && event.key !== " ") return;
      else if (row) this.choose(Number(row.dataset.function));
      event.preventDefault();
    });
  }
}

/** How large it is against the largest, under the number. */
function addBar(cell, share) {
  const bar = el("i", { className: "bar" });
  bar.style.width = `${clamp(share, 0, 1) * 100}%`;
  cell.append(bar);
}

function markChange(cell, change) {
  cell.classList.add("change");
  if (change) cell.classList.add(change > 0 ? "more" : "less");
}
