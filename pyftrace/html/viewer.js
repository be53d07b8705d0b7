// The page itself: what is chosen and searched for in all views alike, tabs, keys, help.

const data = JSON.parse(byId("data").textContent);
const model = new Model(data);

const views = [
  { id: "flame", label: "Flame graph" },
  { id: "functions", label: model.isDiff ? "Differences" : "Functions" },
  ...(model.isDiff ? [] : [{ id: "timeline", label: "Timeline" }]),
  { id: "run", label: model.isDiff ? "Recordings" : "Recording" },
];

const KEYS = [
  ["/", "search"],
  ["1 to 4", "the views"],
  ["t", "theme: auto, light, dark"],
  ["?", "this help"],
  ["Esc", "zoom out, end a search, choose none"],
  ["Arrows", "graph: caller, callee, neighbours; table: rows; timeline: move"],
  ["Enter", "graph: zoom in; search: the widest match"],
  ["Backspace", "graph: zoom out"],
  ["+  -  0", "timeline: zoom in, zoom out, all"],
  ["Ctrl + wheel", "timeline: zoom; drag: move; double click: one call"],
];

// ---- one choice, one search ---------------------------------------------------------------------

function choose(f) {
  model.chosen = f;
  details.update();
  table.mark();
  table.reveal();
  flame.surface.redraw();
  timeline?.surface.redraw();
}

function search(text) {
  model.search(text);
  table.most = FIRST_ROWS;
  table.update();
  flame.update();
  timeline?.update();
  const matching = model.found === null ? 0 : model.found.reduce((a, b) => a + b, 0);
  byId("found").textContent =
    model.found === null
      ? ""
      : `${plural(matching, "function")} found, ${flame.share()} of ${flame.mode.of}`;
}

// ---- tabs ---------------------------------------------------------------------------------------

function show(id) {
  for (const view of views) {
    const chosen = view.id === id;
    byId(view.id).hidden = !chosen;
    view.tab.setAttribute("aria-selected", String(chosen));
    view.tab.tabIndex = chosen ? 0 : -1;
  }
  document.body.dataset.view = id;
  if (id === "flame") flame.surface.resize();
  if (id === "timeline") timeline.surface.resize();
  table.reveal();
}

function makeTabs() {
  const step = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const at = views.findIndex((view) => view.tab === event.target);
    const next = views[(at + by + views.length) % views.length];
    show(next.id);
    next.tab.focus();
    event.preventDefault();
  };
  for (const view of views) {
    view.tab = el(
      "button",
      {
        type: "button",
        id: `tab-${view.id}`,
        role: "tab",
        "aria-controls": view.id,
        onclick: () => show(view.id),
        onkeydown: step,
      },
      view.label,
    );
    byId("tabs").append(view.tab);
  }
}

// ---- the recording ------------------------------------------------------------------------------

const badge = (run) => el("span", { className: `badge ${run.state.toLowerCase()}` }, run.state);

function makeHeading() {
  byId("title").textContent = data.title;
  byId("title").title = data.title;
  const parts = [];
  for (const run of data.runs) parts.push(badge(run));
  if (!model.isDiff) {
    parts.push(
      plural(
        model.figures.calls.reduce((a, b) => a + b, 0),
        "call",
      ),
      plural(model.tabled, "function"),
    );
  } else {
    const { a, b } = model.figures;
    const state = { new: 0, gone: 0, other: 0 };
    a.calls.forEach((was, f) => {
      if (was < 0) state.new++;
      else if (b.calls[f] < 0) state.gone++;
      else if (was !== b.calls[f]) state.other++;
    });
    parts.push(
      `${state.new} new`,
      `${state.gone} gone`,
      `${state.other} called more or less often`,
    );
  }
  if (data.chosen) parts.push(`a part: ${data.chosen}`);
  byId("summary").append(...parts.flatMap((part, i) => (i ? ["  ·  ", part] : [part])));
}

function makeRuns() {
  for (const run of data.runs) {
    const rows = run.rows.flatMap(([label, text]) => [
      el("dt", {}, label),
      el(
        "dd",
        label === "state" ? { className: "state" } : {},
        label === "state" ? badge(run) : text,
      ),
    ]);
    byId("run").append(
      el(
        "article",
        {},
        el("h2", {}, { A: "A, before", B: "B, after" }[run.side] ?? "Recording"),
        el("dl", { className: "facts" }, ...rows),
        el("pre", {}, run.processes.map((line) => line.replace(/^ {2}/, "")).join("\n")),
      ),
    );
  }
  byId("run").append(el("p", { className: "note" }, `Written by pyftrace ${data.version}.`));
}

// ---- help and keys ------------------------------------------------------------------------------

function makeHelp() {
  const rows = KEYS.map(([key, text]) =>
    el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, key)), el("td", {}, text)),
  );
  byId("help").append(
    el("h2", { id: "help-title" }, "Keys"),
    el("table", {}, el("tbody", {}, ...rows)),
    el("button", { type: "button", onclick: () => byId("help").close() }, "Close"),
  );
  byId("help-open").onclick = () => byId("help").showModal();
}

function onEscape() {
  const input = byId("search");
  if (input.value) {
    input.value = "";
    search("");
  } else if (!byId("flame").hidden && flame.zoomed >= 0) flame.out();
  else choose(-1);
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
  const typing = event.target === byId("search");
  if (event.key === "Escape") {
    onEscape();
    if (typing) event.target.blur();
  } else if (typing) {
    if (event.key !== "Enter") return;
    const widest = model.found === null ? -1 : flame.widest((f) => model.matches(f));
    if (widest >= 0) choose(flame.tree.func[widest]);
  } else if (event.key === "/") byId("search").focus();
  else if (event.key === "?") byId("help").showModal();
  else if (event.key === "t") nextTheme();
  else if (/^[1-9]$/.test(event.key) && views[event.key - 1]) show(views[event.key - 1].id);
  else return;
  event.preventDefault();
}

// ---- begin --------------------------------------------------------------------------------------

makeTabs();
applyTheme();
const details = new Details(byId("details"), model, choose, {
  graph: (f) => {
    show("flame");
    if (!flame.showFunction(f)) announce("not in the graph: too small");
  },
  table: (f) => {
    show("functions");
    choose(f);
  },
});
const table = new Table(byId("functions"), model, choose);
const flame = new Flame(byId("flame"), model, choose);
const timeline = model.isDiff ? null : new Timeline(byId("timeline"), model, choose);
makeHeading();
makeRuns();
makeHelp();
show("flame");

let typed = 0;
byId("search").addEventListener("input", (event) => {
  clearTimeout(typed);
  typed = setTimeout(() => search(event.target.value), 60);
});
byId("theme").onclick = nextTheme;
darkWanted.addEventListener("change", applyTheme);
document.addEventListener("keydown", onKey);
document.body.dataset.ready = "yes";
