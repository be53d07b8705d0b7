// What a flame graph can be as wide as, and what it says of a node: {tree, layout, figures}.

function topDown(model, layout) {
  const { calls, total_ns: total, self_ns: own } = model.data.tree;
  return {
    tree: model.tree,
    layout: model.tree.layout(layout),
    figures: {
      rows: (i) => [
        ["total", timeText(total[i])],
        ["self", timeText(own[i])],
        ["calls", countText(calls[i])],
      ],
    },
  };
}

const MODES = [
  {
    label: "Total time",
    of: "total time",
    title: "Callers above what they call, as wide as their time",
    share: "share",
    text: timeText,
    make: (model) => topDown(model, { of: model.data.tree.total_ns }),
  },
  {
    label: "Self time",
    of: "self time",
    title: "Functions by their own time, below each its callers",
    share: "share",
    text: timeText,
    make: (model) => {
      const { tree, total, calls } = bottomUp(model);
      return {
        tree,
        layout: tree.layout({ of: total }),
        figures: {
          rows: (i) => [
            [tree.depth[i] ? "self time below" : "self", timeText(total[i])],
            ["calls", countText(calls[i])],
          ],
        },
      };
    },
  },
  {
    label: "Calls",
    of: "all calls",
    title: "As wide as the calls made here and below",
    share: "share of calls",
    text: (n) => plural(n, "call"),
    make: (model) => topDown(model, { own: model.data.tree.calls }),
  },
];

// ---- of a comparison ----------------------------------------------------------------------------

const ALIKE = 0.05; // changes of time that are smaller have no colour: two runs are never alike

/** From -1 to 1; half as much or twice as much is all of it. */
function relativeChange(was, now, alike) {
  if (was < 0) return 1;
  if (now < 0) return -1;
  const change = (now - was) / Math.max(was, now, 1);
  return Math.abs(change) < alike ? 0 : clamp(2 * change, -1, 1);
}

function bothSides(model, key, alike, layout) {
  const { a, b } = model.data.tree;
  const change = (i) => relativeChange(a[key][i], b[key][i], alike);
  const row = (name, column, text) => {
    const [was, now] = [a[column], b[column]];
    return (i) => [
      name,
      `${was[i] < 0 ? "-" : text(was[i])} → ${now[i] < 0 ? "-" : text(now[i])}` +
        ` (${changeText(was[i], now[i])})`,
    ];
  };
  const rows = [
    row("total", "total_ns", timeText),
    row("self", "self_ns", timeText),
    row("calls", "calls", countText),
  ];
  return {
    tree: model.tree,
    layout: model.tree.layout(layout(a, b)),
    figures: {
      change,
      mark: (i) => (change(i) === 0 ? "" : changeText(a[key][i], b[key][i])),
      rows: (i) => rows.map((make) => make(i)),
    },
  };
}

const larger = (a, b) => a.map((was, i) => Math.max(was, b[i], 0));

const DIFF_MODES = [
  {
    label: "Time, both",
    of: "the time of both",
    title: "As wide as the longer of both sides: new and gone are there",
    share: "share",
    text: timeText,
    make: (model) =>
      bothSides(model, "total_ns", ALIKE, (a, b) => ({ own: larger(a.self_ns, b.self_ns) })),
  },
  {
    label: "Before",
    of: "the time before",
    title: "As wide as the time before",
    share: "share",
    text: timeText,
    make: (model) => bothSides(model, "total_ns", ALIKE, (a) => ({ of: a.total_ns })),
  },
  {
    label: "After",
    of: "the time after",
    title: "As wide as the time after",
    share: "share",
    text: timeText,
    make: (model) => bothSides(model, "total_ns", ALIKE, (a, b) => ({ of: b.total_ns })),
  },
  {
    label: "Calls",
    of: "all calls",
    title: "As wide as the more calls of both sides, coloured by their change",
    share: "share of calls",
    text: (n) => plural(n, "call"),
    make: (model) => bothSides(model, "calls", 0, (a, b) => ({ own: larger(a.calls, b.calls) })),
  },
];

/** What colours and lines mean in a comparison. */
function legend() {
  const entry = (name, text) => el("span", {}, el("i", { className: `swatch ${name}` }), text);
  return el(
    "div",
    { className: "legend", role: "note" },
    entry("less", "- less"),
    entry("alike", "alike"),
    entry("more", "+ more"),
    entry("new", "new"),
    entry("gone", "gone"),
  );
}
