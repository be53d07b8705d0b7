// A canvas that scrolls: it stays in place and only what is in sight is drawn, so that its content
// may be taller than a canvas can be. Sharp on every screen; drawn at most once a frame.

class Surface {
  /** `draw(surface)` when something has changed; `height()` of the content in CSS pixels. */
  constructor(host, { label, draw, height }) {
    this.draw = draw;
    this.contentHeight = height;
    this.canvas = el("canvas", { tabIndex: 0, role: "application", "aria-label": label });
    this.spacer = el("div", { className: "spacer" });
    this.scroller = el("div", { className: "scroller" }, this.canvas, this.spacer);
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.width = this.height = 0;
    this.waiting = false;
    host.append(this.scroller);
    new ResizeObserver(() => this.resize()).observe(this.scroller);
    this.scroller.addEventListener("scroll", () => this.redraw(), { passive: true });
    this.canvas.addEventListener("focus", () => this.redraw());
    this.canvas.addEventListener("blur", () => this.redraw());
    theme.listeners.push(() => this.redraw());
  }

  get focused() {
    return document.activeElement === this.canvas && this.canvas.matches(":focus-visible");
  }

  get scroll() {
    return this.scroller.scrollTop;
  }

  set scroll(y) {
    this.scroller.scrollTop = y;
  }

  resize() {
    const { clientWidth, clientHeight } = this.scroller;
    if (!clientWidth) return; // hidden
    const ratio = window.devicePixelRatio || 1;
    this.width = clientWidth;
    this.height = clientHeight;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.canvas.style.width = `${clientWidth}px`;
    this.canvas.style.height = `${clientHeight}px`;
    this.ratio = ratio;
    this.paint(); // at once: a canvas of another size is black
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  paint() {
    if (!this.width) return;
    if (window.devicePixelRatio !== this.ratio) this.resize(); // moved to another screen, zoomed
    const below = Math.max(0, this.contentHeight() - this.height);
    this.spacer.style.height = `${below}px`;
    const c = this.context;
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.fillStyle = ink("surface");
    c.fillRect(0, 0, this.width, this.height);
    c.font = FONT;
    c.textBaseline = "middle";
    this.draw(this);
  }

  /** So much of the text as fits, from x on, beside where the view begins. */
  text(text, x, y, width) {
    const room = Math.floor((width - 8) / charWidth(this.context));
    if (room < 3) return;
    const shown = text.length > room ? `${text.slice(0, room - 1)}…` : text;
    this.context.fillText(shown, x + 4, y, width - 8);
  }

  /** The place of a pointer's event, in the content. */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, scroll: this.scroll };
  }

  reveal(y, height, above = 0) {
    if (y - above < this.scroll) this.scroll = y - above;
    else if (y + height > this.scroll + this.height) this.scroll = y + height - this.height;
  }
}

const FONT =
  '12px ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace';
const charWidth = (context) =>
  kept("char width", () => context.measureText("0".repeat(50)).width / 50);

// ---- the box beside the pointer -----------------------------------------------------------------

/** Shows [label, text] rows; without rows it goes away. */
function tip(event, heading, rows) {
  const box = byId("tip");
  box.hidden = !heading;
  if (!heading) return;
  box.replaceChildren(el("strong", {}, heading), el("dl", {}, ...rowList(rows)));
  const { offsetWidth: width, offsetHeight: height } = box;
  const beside =
    event.clientX + 16 + width > innerWidth ? event.clientX - width - 12 : event.clientX + 16;
  const under =
    event.clientY + 18 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 18;
  box.style.left = `${Math.max(4, beside)}px`;
  box.style.top = `${Math.max(4, under)}px`;
}
