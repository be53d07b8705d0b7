// The data of the page, and what is computed of it once: trees in arrays, who calls whom, search.

/** A tree in preorder: of node i those below it are i + 1 up to end[i]. */
class Tree {
  constructor(depth, func) {
    this.n = depth.length;
    this.depth = Int32Array.from(depth);
    this.func = Int32Array.from(func);
    this.parent = new Int32Array(this.n);
    this.end = new Int32Array(this.n);
    this.levels = 0;
    const open = [];
    for (let i = 0; i < this.n; i++) {
      const level = this.depth[i];
      while (open.length > level) this.end[open.pop()] = i;
      this.parent[i] = open.length ? open[open.length - 1] : -1;
      open.push(i);
      this.levels = Math.max(this.levels, level + 1);
    }
    for (const i of open) this.end[i] = this.n;
  }

  /** Widths and places: a node is as wide as `of` has it, or as `own` and those below it. */
  layout({ of = null, own = null }) {
    const { n, parent } = this;
    const value = new Float64Array(n);
    const below = new Float64Array(n);
    let whole = 0;
    for (let i = n - 1; i >= 0; i--) {
      value[i] = of ? Math.max(0, of[i], below[i]) : own[i] + below[i];
      if (parent[i] >= 0) below[parent[i]] += value[i];
      else whole += value[i];
    }
    const x = new Float64Array(n);
    const next = new Float64Array(n);
    let top0 = 0;
    for (let i = 0; i < n; i++) {
      const p = parent[i];
      x[i] = p < 0 ? top0 : next[p];
      next[i] = x[i];
      if (p < 0) top0 += value[i];
      else next[p] += value[i];
    }
    return { value, x, whole };
  }

  /** (previous, next) of those with the same caller; -1: none. */
  siblings(i) {
    const p = this.parent[i];
    const last = p < 0 ? this.n : this.end[p];
    let before = -1;
    for (let j = p + 1; j < i; j = this.end[j]) before = j;
    return [before, this.end[i] < last ? this.end[i] : -1];
  }
}

class Model {
  constructor(data) {
    this.data = data;
    this.isDiff = data.kind === "diff";
    const { strings, functions: f } = data;
    this.count = f.name.length;
    this.names = f.name.map((i) => strings[i]);
    this.modules = f.module.map((i) => strings[i]);
    this.files = f.file.map((i) => strings[i]);
    this.lines = f.line;
    this.labels = this.names.map((name, i) =>
      this.modules[i] ? `${this.modules[i]}.${name}` : name,
    );
    this.figures = this.isDiff ? { a: f.a, b: f.b } : f;
    this.tabled = this.isDiff ? f.a.calls.length : f.calls.length;
    this.tree = new Tree(data.tree.depth, data.tree.function);
    this.cut = new Set(data.tree.cut ?? []);
    this.found = null; // Uint8Array by function, while something is searched for
    this.chosen = -1;
    this.ranks = this.rankModules();
  }

  name(f) {
    return this.names[f] || "(no name)";
  }

  where(f) {
    const file = this.files[f];
    return file ? `${file.slice(file.lastIndexOf("/") + 1)}:${this.lines[f]}` : "built in";
  }

  wherePath(f) {
    return this.files[f] ? `${this.files[f]}:${this.lines[f]}` : "built in";
  }

  /** Of a side's figure, 0 where it was not called. */
  static sideOf(columns, i) {
    return Math.max(0, columns[i] ?? 0);
  }

  rankModules() {
    const time = new Map();
    const own = this.isDiff ? this.figures.b.self_ns : this.figures.self_ns;
    this.modules.forEach((module, i) => {
      time.set(module, (time.get(module) ?? 0) + Model.sideOf(own, i));
    });
    const order = [...time.keys()].sort((a, b) => time.get(b) - time.get(a));
    return new Map(order.map((module, i) => [module, i]));
  }

  moduleRank(f) {
    return this.ranks.get(this.modules[f]);
  }

  search(text) {
    const wanted = text.trim().toLowerCase();
    this.found = null;
    if (!wanted) return;
    this.found = Uint8Array.from(
      this.labels,
      (label, i) =>
        label.toLowerCase().includes(wanted) || this.files[i].toLowerCase().includes(wanted),
    );
  }

  matches(f) {
    return this.found === null || this.found[f] === 1;
  }

  /** Columns that callers, callees and widths are counted by: of a recording one set, else two. */
  sides() {
    const t = this.data.tree;
    return this.isDiff ? [t.a, t.b] : [t];
  }

  /** Callers and callees of a function by the tree: {func, calls: [..], time: [..]} with a number
      for each side. func is -1 for the top level. The time of a chain that recurs counts once. */
  neighbours(f) {
    const { tree } = this;
    const callers = new Map();
    const callees = new Map();
    for (let i = 0; i < tree.n; i++) {
      const p = tree.parent[i];
      const by = p < 0 ? -1 : tree.func[p];
      if (tree.func[i] === f) this.add(callers, by, i);
      if (by === f) this.add(callees, tree.func[i], i);
    }
    const sorted = (found) =>
      [...found.values()].sort((a, b) => Math.max(...b.time) - Math.max(...a.time));
    return { callers: sorted(callers), callees: sorted(callees) };
  }

  add(found, func, node) {
    const sides = this.sides();
    if (!found.has(func)) {
      found.set(func, { func, calls: sides.map(() => 0), time: sides.map(() => 0), until: 0 });
    }
    const entry = found.get(func);
    const again = node < entry.until; // inside an earlier one of this pair
    sides.forEach((side, i) => {
      entry.calls[i] += Model.sideOf(side.calls, node);
      if (!again) entry.time[i] += Model.sideOf(side.total_ns, node);
    });
    if (!again) entry.until = this.tree.end[node];
  }
}

// ---- from the bottom up -------------------------------------------------------------------------

const BOTTOM_UP = { share: 1 / 5000, levels: 64 }; // what is smaller or deeper is left out

/** Functions by self time, below each its callers: {tree, total, calls}. */
function bottomUp(model) {
  const { tree } = model;
  const { self_ns: own, calls } = model.data.tree;
  const least = own.reduce((sum, ns) => sum + ns, 0) * BOTTOM_UP.share;
  const out = { depth: [], func: [], total: [], calls: [] };
  const group = (nodes, cursors, stepUp) => {
    const groups = new Map();
    for (let k = 0; k < nodes.length; k++) {
      const at = stepUp ? tree.parent[cursors[k]] : cursors[k];
      if (at < 0) continue;
      const f = tree.func[at];
      if (!groups.has(f)) groups.set(f, { f, nodes: [], cursors: [], total: 0, calls: 0 });
      const g = groups.get(f);
      g.nodes.push(nodes[k]);
      g.cursors.push(at);
      g.total += own[nodes[k]];
      g.calls += calls[nodes[k]];
    }
    return [...groups.values()]
      .filter((g) => g.total >= least && g.total > 0)
      .sort((a, b) => a.total - b.total);
  };
  const all = Int32Array.from(tree.func.keys());
  const todo = group(all, all, false).map((g) => [0, g]);
  while (todo.length) {
    const [depth, g] = todo.pop();
    out.depth.push(depth);
    out.func.push(g.f);
    out.total.push(g.total);
    out.calls.push(g.calls);
    if (depth + 1 < BOTTOM_UP.levels) {
      todo.push(...group(g.nodes, g.cursors, true).map((next) => [depth + 1, next]));
    }
  }
  return { tree: new Tree(out.depth, out.func), total: out.total, calls: out.calls };
}
