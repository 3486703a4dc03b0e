// The picture with its axes, profiles and overlays, and the hands that zoom and pan it.

import { make, palette, sharpen } from "./dom.js";
import { count, ticks, tickText, write } from "./numbers.js";
import { drawChoice, drawOverlays } from "./overlays.js";
import { Renderer } from "./renderer.js";
import { Viewport } from "./viewport.js";
import { pixelAt } from "./frame.js";

const FONT = "12px system-ui, sans-serif";
const WHEEL = 0.0018;
const NUDGE = 0.15;

export class Figure {
  /** @param on {point(words), problem(words)} */
  constructor(on) {
    this.on = on;
    this.viewport = new Viewport();
    this.frame = null;
    this.limits = [0, 1];
    this.options = { log: false, overlays: true, saturation: true };
    this.pointer = null;
    this.touches = new Map();
    this.picking = null;
    this.edges = null;
    this.picture = make("canvas", { class: "picture" });
    this.drawing = make("canvas", { class: "drawing" });
    this.element = make("div", { class: "figure", tabIndex: 0, role: "img", "aria-label": "Live image with profiles" }, this.picture, this.drawing);
    this.colours = palette();
    this.startRenderer();
    this.listen();
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this.element);
  }

  startRenderer() {
    try {
      this.renderer = new Renderer(this.picture);
    } catch (error) {
      this.renderer = null;
      this.on.problem(error.message);
      return;
    }
    this.picture.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.on.problem("The graphics card was taken away; the picture comes back by itself");
    });
    this.picture.addEventListener("webglcontextrestored", () => {
      this.renderer.prepare();
      this.renderer.setColours(this.table);
      this.upload();
      this.draw();
      this.on.problem("");
    });
  }

  setColours(table) {
    this.table = table;
    this.renderer?.setColours(table);
  }

  /** Show a frame with these limits of the colours. */
  show(frame, limits) {
    const before = this.frame?.image;
    this.frame = frame;
    this.limits = limits;
    if (frame.image && before && (before.width !== frame.image.width || before.height !== frame.image.height)) this.viewport.fit();
    this.upload();
    this.draw();
  }

  upload() {
    const image = this.frame?.image;
    if (!image || !this.renderer || this.renderer.gl.isContextLost()) return;
    if (image.columns > this.renderer.maxSide || image.rows > this.renderer.maxSide) {
      this.on.problem(`The image is larger than this graphics card can hold (${this.renderer.maxSide} pixels a side): choose "small" under Transfer`);
      return;
    }
    this.renderer.setImage(image.pixels, image.dtype, image.columns, image.rows);
  }

  /** Where things are [CSS pixels]; the plot keeps the shape of the image. */
  layout() {
    const [width, height] = [this.element.clientWidth, this.element.clientHeight];
    const narrow = width < 560;
    const margin = { left: narrow ? 46 : 62, right: 6, top: 8, bottom: 40 };
    const strip = { x: Math.min(Math.max(height * 0.15, 40), 110), y: Math.min(Math.max(width * 0.12, 40), 120) };
    const room = { width: width - margin.left - margin.right - strip.y, height: height - margin.top - margin.bottom - strip.x };
    const image = this.frame?.image ?? { width: 4, height: 3 };
    const scale = Math.max(Math.min(room.width / image.width, room.height / image.height), 1e-3);
    const plot = { width: Math.round(image.width * scale), height: Math.round(image.height * scale) };
    plot.x = margin.left + Math.round(Math.max(room.width - plot.width, 0) / 2);
    plot.y = margin.top + strip.x + Math.round(Math.max(room.height - plot.height, 0) / 2);
    return { width, height, plot, strip };
  }

  draw() {
    const layout = this.layout();
    if (layout.width < 50 || layout.height < 50) return;
    this.at = layout;
    const context = sharpen(this.drawing, layout.width, layout.height);
    context.clearRect(0, 0, layout.width, layout.height);
    context.font = FONT;
    const { plot } = layout;
    Object.assign(this.picture.style, { left: `${plot.x}px`, top: `${plot.y}px`, width: `${plot.width}px`, height: `${plot.height}px` });
    const ratio = window.devicePixelRatio || 1;
    const [w, h] = [Math.max(Math.round(plot.width * ratio), 1), Math.max(Math.round(plot.height * ratio), 1)];
    if (this.picture.width !== w || this.picture.height !== h) {
      this.picture.width = w;
      this.picture.height = h;
    }
    if (!this.frame?.image) return;
    this.drawPicture();
    const part = this.part();
    // Functions from places in the image to places on the screen.
    const to = {
      x: (place) => plot.x + ((place - part.x) / part.width) * plot.width,
      y: (place) => plot.y + ((place - part.y) / part.height) * plot.height,
    };
    this.drawAxes(context, layout, part, to);
    this.drawProfiles(context, layout, to);
    context.save();
    context.beginPath();
    context.rect(plot.x, plot.y, plot.width, plot.height);
    context.clip();
    if (this.options.overlays) drawOverlays(context, this.frame, to);
    const edges = this.dragged ? edgesOf(this.dragged) : this.edges;
    if (edges) drawChoice(context, edges, to);
    this.drawPointer(context, plot);
    context.restore();
  }

  drawPicture() {
    const { image, facts } = this.frame;
    const part = this.part();
    const n = image.binning;
    const view = { x: part.x / n, y: part.y / n, width: part.width / n, height: part.height / n };
    const mark = this.options.saturation && n === 1 ? facts.limit : null;
    this.renderer?.draw(view, this.limits, this.options.log, mark);
  }

  part() {
    const { width, height } = this.frame.image;
    return this.viewport.part(width, height);
  }

  drawAxes(context, { plot }, part, to) {
    const { x, y, unit } = this.frame;
    const colours = this.colours;
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.strokeRect(plot.x - 0.5, plot.y - 0.5, plot.width + 1, plot.height + 1);
    context.fillStyle = colours.quiet;
    context.textAlign = "center";
    context.textBaseline = "top";
    const across = ticks(x.value(part.x), x.value(part.x + part.width), plot.width / 75);
    context.beginPath();
    for (const value of across.values) {
      const at = Math.round(to.x(x.place(value))) + 0.5;
      if (at < plot.x - 1 || at > plot.x + plot.width + 1) continue;
      context.moveTo(at, plot.y + plot.height + 1);
      context.lineTo(at, plot.y + plot.height + 6);
      context.fillText(tickText(value, across.decimals), at, plot.y + plot.height + 8);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    const down = ticks(y.value(part.y), y.value(part.y + part.height), plot.height / 45);
    for (const value of down.values) {
      const at = Math.round(to.y(y.place(value))) + 0.5;
      if (at < plot.y - 1 || at > plot.y + plot.height + 1) continue;
      context.moveTo(plot.x - 1, at);
      context.lineTo(plot.x - 6, at);
      context.fillText(tickText(value, down.decimals), plot.x - 8, at);
    }
    context.stroke();
    context.fillStyle = colours.text;
    context.textAlign = "right";
    context.textBaseline = "top";
    context.fillText(unit ? `x [${unit}]` : "x", plot.x + plot.width, plot.y + plot.height + 24);
    context.textAlign = "left";
    context.textBaseline = "bottom";
    context.fillText(unit ? `y [${unit}]` : "y", Math.max(plot.x - 54, 2), plot.y - 6);
  }

  drawProfiles(context, { plot, strip }, to) {
    const { arrays, values, image } = this.frame;
    const x = { profile: this.frame.xProfile, fit: arrays.x_fit_gauss_function, good: values.x_fit_converged !== false };
    const y = { profile: this.frame.yProfile, fit: arrays.y_fit_gauss_function, good: values.y_fit_converged !== false };
    if (x.profile?.length === image.width) {
      const place = { origin: to.x(0.5), step: to.x(1) - to.x(0), from: plot.x, until: plot.x + plot.width };
      this.curves(context, x, place, plot.y - 4, -(strip.x - 10), false);
    }
    if (y.profile?.length === image.height) {
      const place = { origin: to.y(0.5), step: to.y(1) - to.y(0), from: plot.y, until: plot.y + plot.height };
      this.curves(context, y, place, plot.x + plot.width + 4, strip.y - 12, true);
    }
  }

  /**
   * A profile and its fit along one side of the plot.
   * @param place where its points are along that side, and the part that is seen
   * @param base where zero is across, @param reach where the largest value is from there
   * @param upright whether along is down
   */
  curves(context, { profile, fit, good }, place, base, reach, upright) {
    let low = Infinity;
    let high = -Infinity;
    for (let i = 0; i < profile.length; i++) {
      if (profile[i] < low) low = profile[i];
      if (profile[i] > high) high = profile[i];
    }
    const scale = reach / (high - low || 1);
    const first = Math.max(Math.floor((place.from - place.origin) / place.step), 0);
    const last = Math.min(Math.ceil((place.until - place.origin) / place.step), profile.length - 1);
    const path = (values) => {
      context.beginPath();
      for (let i = first; i <= last; i++) {
        const along = Math.min(Math.max(place.origin + i * place.step, place.from), place.until);
        const across = base + (values[i] - low) * scale;
        if (upright) context.lineTo(across, along);
        else context.lineTo(along, across);
      }
    };
    path(profile);
    context.strokeStyle = this.colours.curve;
    context.lineWidth = 1;
    context.stroke();
    const [start, end] = [first, last].map((i) => Math.min(Math.max(place.origin + i * place.step, place.from), place.until));
    for (const along of [end, start]) {
      if (upright) context.lineTo(base, along);
      else context.lineTo(along, base);
    }
    context.globalAlpha = 0.15;
    context.fillStyle = this.colours.curve;
    context.fill();
    context.globalAlpha = 1;
    if (fit?.length === profile.length) {
      path(fit);
      context.strokeStyle = good ? this.colours.fit : this.colours.bad;
      context.lineWidth = 1.5;
      context.setLineDash(good ? [] : [4, 4]);
      context.stroke();
      context.setLineDash([]);
    }
  }

  drawPointer(context, plot) {
    if (!this.pointer) return;
    context.strokeStyle = "rgba(255,255,255,0.55)";
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(Math.round(this.pointer.x) + 0.5, plot.y);
    context.lineTo(Math.round(this.pointer.x) + 0.5, plot.y + plot.height);
    context.moveTo(plot.x, Math.round(this.pointer.y) + 0.5);
    context.lineTo(plot.x + plot.width, Math.round(this.pointer.y) + 0.5);
    context.stroke();
    this.tell();
  }

  /** What is under the pointer, in words. */
  tell() {
    if (!this.frame?.image || !this.pointer) {
      this.on.point("");
      return;
    }
    const { image, x, y, unit } = this.frame;
    const { x: px, y: py } = this.placeAt({ offsetX: this.pointer.x, offsetY: this.pointer.y });
    const value = pixelAt(image, px, py);
    const place = `x ${write(x.value(Math.floor(px) + 0.5))}  y ${write(y.value(Math.floor(py) + 0.5))} ${unit}`;
    const shown = Number.isInteger(value) ? count(value) : write(value, 6);
    const exact = image.binning > 1 ? ` (mean of ${image.binning}\u00d7${image.binning})` : "";
    this.on.point(`${place}   pixel ${Math.floor(px)}, ${Math.floor(py)}   value ${shown}${exact}`);
  }

  listen() {
    const area = this.drawing;
    const inside = ({ offsetX, offsetY }) => {
      const { plot } = this.at ?? this.layout();
      return offsetX >= plot.x && offsetY >= plot.y && offsetX < plot.x + plot.width && offsetY < plot.y + plot.height;
    };
    area.addEventListener("wheel", (event) => {
      if (!inside(event)) return;
      event.preventDefault();
      const { plot } = this.at;
      this.change(() => this.viewport.zoomAt(Math.exp(-event.deltaY * WHEEL), (event.offsetX - plot.x) / plot.width, (event.offsetY - plot.y) / plot.height));
    }, { passive: false });
    area.addEventListener("pointerdown", (event) => {
      if (!inside(event)) return;
      area.setPointerCapture(event.pointerId);
      if (this.picking && !this.dragged && this.frame?.image) {
        const place = this.placeAt(event);
        this.dragged = { id: event.pointerId, from: place, to: place };
        return;
      }
      this.touches.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
      this.element.classList.add("held");
    });
    area.addEventListener("pointermove", (event) => {
      const held = this.touches.get(event.pointerId);
      this.pointer = inside(event) && event.pointerType !== "touch" ? { x: event.offsetX, y: event.offsetY } : null;
      if (this.dragged?.id === event.pointerId) {
        this.dragged.to = this.placeAt(event);
        this.change(() => {});
      } else if (held) this.drag(event, held);
      else this.change(() => {});
    });
    for (const name of ["pointerup", "pointercancel"]) {
      area.addEventListener(name, (event) => {
        this.touches.delete(event.pointerId);
        if (this.dragged?.id === event.pointerId) this.picked(name === "pointerup" ? this.placeAt(event) : null);
        this.element.classList.toggle("held", this.touches.size > 0);
      });
    }
    area.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.on.point("");
      this.change(() => {});
    });
    area.addEventListener("dblclick", () => this.picking || this.change(() => this.viewport.fit()));
  }

  /** The place in the image under a pointer [pixel]; it may lie outside. */
  placeAt({ offsetX, offsetY }) {
    const part = this.part();
    const { plot } = this.at;
    return { x: part.x + ((offsetX - plot.x) / plot.width) * part.width, y: part.y + ((offsetY - plot.y) / plot.height) * part.height };
  }

  /** Let a rectangle be dragged instead of the picture. @param done called with two opposite corners in the image, or null: no longer */
  pick(done) {
    this.picking = done;
    this.dragged = null;
    this.element.classList.toggle("picking", done !== null);
    this.change(() => {});
  }

  /** Draw a rectangle. @param edges [left, top, right, bottom] in the image, or null: none */
  outline(edges) {
    if (String(edges) === String(this.edges)) return;
    this.edges = edges;
    this.change(() => {});
  }

  /** A rectangle was dragged; a click without a way is none. */
  picked(to) {
    const { from } = this.dragged;
    this.dragged = null;
    if (to && this.picking && (Math.abs(to.x - from.x) >= 1 || Math.abs(to.y - from.y) >= 1)) this.picking(from, to);
    this.change(() => {});
  }

  drag(event, held) {
    const { plot } = this.at;
    const others = [...this.touches].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    this.change(() => {
      if (others.length === 1) {
        const [other] = others;
        const before = Math.hypot(held.x - other.x, held.y - other.y);
        const after = Math.hypot(event.offsetX - other.x, event.offsetY - other.y);
        this.viewport.zoomAt(after / Math.max(before, 1), (other.x - plot.x) / plot.width, (other.y - plot.y) / plot.height);
      } else {
        this.viewport.pan((held.x - event.offsetX) / plot.width, (held.y - event.offsetY) / plot.height);
      }
    });
    this.touches.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
  }

  /** Change what is shown and draw once before the screen is next refreshed. */
  change(how) {
    how();
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.draw();
    });
  }

  fit() { this.change(() => this.viewport.fit()); }

  zoom(factor) { this.change(() => this.viewport.zoomAt(factor, 0.5, 0.5)); }

  nudge(dx, dy) { this.change(() => this.viewport.pan(dx * NUDGE, dy * NUDGE)); }

  /** One screen pixel for each pixel of the image. */
  actual() {
    const ratio = (window.devicePixelRatio || 1) * (this.at.plot.width / this.frame.image.width);
    this.change(() => this.viewport.zoomAt(1 / ratio / this.viewport.zoom, 0.5, 0.5));
  }

  /** Everything as it is seen, for a file. */
  snapshot(title) {
    const ratio = window.devicePixelRatio || 1;
    const canvas = make("canvas", { width: this.drawing.width, height: this.drawing.height });
    const context = canvas.getContext("2d");
    context.fillStyle = this.colours.panel;
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.pointer = null;
    this.draw(); // the browser forgets what was drawn by WebGL once it is on the screen
    context.drawImage(this.picture, this.at.plot.x * ratio, this.at.plot.y * ratio);
    context.drawImage(this.drawing, 0, 0);
    context.fillStyle = this.colours.quiet;
    context.font = `${12 * ratio}px system-ui, sans-serif`;
    context.fillText(title, 10 * ratio, canvas.height - 6 * ratio);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  repaint() {
    this.colours = palette();
    this.draw();
  }

  close() { this.resizing.disconnect(); }
}

function edgesOf({ from, to }) { return [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.max(from.x, to.x), Math.max(from.y, to.y)]; }
