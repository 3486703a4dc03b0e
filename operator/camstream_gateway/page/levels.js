// The histogram of the pixels with the colours below it, and the limits of the colours as handles.

import { placeOf, valueAt } from "./contrast.js";
import { make, palette, say, sharpen } from "./dom.js";
import { count, write } from "./numbers.js";
import { BINS } from "./statistics.js";

const HEIGHT = 96;
const BAR = 12;
const REFRESH_MS = 150;

export class Levels {
  /** @param on {limits(low, high)}: a person moved a handle */
  constructor(on) {
    this.on = on;
    this.canvas = make("canvas", { class: "histogram", role: "img", "aria-label": "Histogram of the pixels" });
    this.words = make("p", { class: "caption" });
    this.element = make("div", {}, this.canvas, this.words);
    this.drawn = -Infinity;
    this.range = null;
    this.canvas.addEventListener("pointerdown", (event) => this.hold(event));
    this.canvas.addEventListener("pointermove", (event) => { if (this.held !== undefined) this.move(event); });
    for (const name of ["pointerup", "pointercancel"]) this.canvas.addEventListener(name, () => { this.held = undefined; });
  }

  show(frame, limits, log, table, now) {
    this.limits = limits;
    this.facts = frame.facts;
    this.passed = now - this.drawn < REFRESH_MS ? [frame, limits, log, table] : null;
    if (this.passed) return;
    this.drawn = now;
    const { facts, image } = frame;
    // The scale moves only when it must, so that limits can be caught with the pointer.
    const [low, high] = [Math.min(facts.min, limits[0]), Math.max(facts.max, limits[1])];
    if (!this.range || low < this.range[0] || high > this.range[1] || high - low < 0.6 * (this.range[1] - this.range[0])) {
      if (this.held === undefined) this.range = [low, high > low ? high : low + 1];
    }
    this.draw(log, table);
    const saturated = facts.saturated ? `, ${count(facts.saturated)} saturated` : "";
    const exact = image.binning > 1 ? ` Of the reduced image.` : "";
    say(this.words, `Values ${write(facts.min)} to ${write(facts.max)}${saturated}. Colours from ${write(limits[0])} to ${write(limits[1])}.${exact}`);
    this.words.classList.toggle("warned", facts.saturated > 0);
  }

  /** Show what was passed over, where nothing came after it. */
  settle(now) {
    if (this.passed) this.show(...this.passed, now);
  }

  draw(log, table) {
    const width = this.canvas.clientWidth;
    if (width < 10) return;
    const colours = (this.colours ??= palette());
    const context = sharpen(this.canvas, width, HEIGHT);
    const room = HEIGHT - BAR - 4;
    context.clearRect(0, 0, width, HEIGHT);
    const { histogram, min, max } = this.facts;
    const tallest = Math.log1p(histogram.reduce((a, b) => Math.max(a, b), 0)) || 1;
    const step = (max - min) / BINS;
    context.fillStyle = colours.curve;
    context.globalAlpha = 0.7;
    for (let i = 0; i < BINS; i++) {
      if (!histogram[i]) continue;
      const left = this.x(min + i * step);
      // Counts on a logarithmic scale: a beam is a thousandth of the pixels.
      const height = (Math.log1p(histogram[i]) / tallest) * room;
      context.fillRect(left, room - height, Math.max(this.x(min + (i + 1) * step) - left, 1), height);
    }
    context.globalAlpha = 1;
    const strip = this.colourStrip(log, table);
    const [left, right] = this.limits.map((value) => this.x(value));
    for (const [from, length, source] of [[0, left, 0], [right, width - right, strip.width - 1]]) {
      if (length > 0) context.drawImage(strip, source, 0, 1, 1, from, HEIGHT - BAR, length, BAR);
    }
    context.drawImage(strip, left, HEIGHT - BAR, Math.max(right - left, 1), BAR);
    context.strokeStyle = context.fillStyle = colours.fit;
    context.lineWidth = 1.5;
    for (const value of this.limits) {
      const x = Math.min(Math.max(this.x(value), 1), width - 1);
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, HEIGHT);
      context.stroke();
      context.beginPath();
      context.arc(x, room / 2, 4, 0, 2 * Math.PI);
      context.fill();
    }
  }

  /** The colours from the low to the high limit, as a picture one pixel high. */
  colourStrip(log, table) {
    if (this.strip && this.striped.log === log && this.striped.table === table) return this.strip;
    const strip = make("canvas", { width: BINS, height: 1 });
    const context = strip.getContext("2d");
    const picture = context.createImageData(BINS, 1);
    for (let i = 0; i < BINS; i++) {
      const at = 4 * Math.round(255 * placeOf(i, [0, BINS - 1], log));
      picture.data.set(table.subarray(at, at + 4), 4 * i);
    }
    context.putImageData(picture, 0, 0);
    this.striped = { log, table };
    return (this.strip = strip);
  }

  x(value) { return ((value - this.range[0]) / (this.range[1] - this.range[0])) * this.canvas.clientWidth; }

  value(x) { return valueAt(x / this.canvas.clientWidth, this.range, false); }

  hold(event) {
    if (!this.limits) return;
    const distances = this.limits.map((value) => Math.abs(this.x(value) - event.offsetX));
    this.held = distances[0] < distances[1] ? 0 : 1;
    this.canvas.setPointerCapture(event.pointerId);
    this.move(event);
  }

  move(event) {
    const changed = [...this.limits];
    changed[this.held] = Math.min(Math.max(this.value(event.offsetX), this.range[0]), this.range[1]);
    if (changed[1] > changed[0]) this.on.limits(...changed);
  }

  repaint() { this.colours = palette(); }
}
