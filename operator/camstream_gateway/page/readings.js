// The panel of numbers: what the analysis says about each pulse, with its unit and its trend.

import { unitWords } from "./axis.js";
import { make, palette, say, sharpen } from "./dom.js";
import { write } from "./numbers.js";
import { drawTrend, Series } from "./trends.js";

const REFRESH_MS = 200; // nobody reads faster, and steady digits are easier to read
const TREND_MS = 400;
const SHORTEST_S = 10;

// Channel, what to call it, which fit must have converged for it to mean something.
const READINGS = [
  ["x_fit_mean", "Centre x", "x"], ["y_fit_mean", "Centre y", "y"],
  ["x_fit_standard_deviation", "Sigma x", "x"], ["y_fit_standard_deviation", "Sigma y", "y"],
  ["x_fwhm", "FWHM x", ""], ["y_fwhm", "FWHM y", ""],
  ["x_center_of_mass", "Mass x", ""], ["y_center_of_mass", "Mass y", ""],
  ["intensity", "Intensity", ""],
];
const WITHOUT_UNIT = new Set(["intensity", "mean_value", "max_value"]);
const PLAIN = [["intensity", "Intensity", ""], ["mean_value", "Mean", ""], ["max_value", "Maximum", ""]];

export class Readings {
  constructor() {
    this.rows = new Map();
    this.list = make("div", { class: "readings" });
    this.caption = make("p", { class: "caption" });
    this.pulse = make("span", { class: "pulse" });
    this.title = make("span");
    this.element = make("section", { class: "panel", "aria-label": "Numbers and trends" },
      make("h2", {}, this.title, this.pulse), this.list, this.caption);
    this.refreshed = this.drawn = -Infinity;
  }

  /** Take note of a frame, in the trends unless somebody steps through old ones; show it when it is time, or at once. */
  add(frame, now, old, atOnce) {
    const values = { ...frame.values };
    if (values.intensity === undefined && frame.yProfile && frame.image) {
      values.intensity = frame.yProfile.reduce((sum, value) => sum + value, 0);
      values.mean_value = values.intensity / (frame.image.columns * frame.image.rows);
      values.max_value = frame.facts.max;
    }
    this.analysed = READINGS.some(([name]) => name !== "intensity" && values[name] !== undefined);
    for (const [name, label, fit] of this.analysed ? READINGS : PLAIN) {
      if (values[name] === undefined) continue;
      const row = this.rows.get(name) ?? this.addRow(name, label);
      row.value = values[name];
      row.doubtful = fit !== "" && values[`${fit}_fit_converged`] === false;
      if (!old) row.series.add(frame.time, row.doubtful ? NaN : row.value);
    }
    this.latest = frame;
    if (atOnce || now - this.refreshed >= REFRESH_MS) this.refresh(frame, now);
  }

  /** Show what was passed over, where nothing came after it. */
  settle(now) {
    if (this.latest && this.latest !== this.told) this.refresh(this.latest, now);
  }

  addRow(name, label) {
    const row = {
      series: new Series(), text: make("output", { class: "value" }), unit: make("span", { class: "unit" }),
      canvas: make("canvas", { class: "trend" }), high: make("span"), low: make("span"),
    };
    row.element = make("div", { class: "reading", title: name }, make("span", { class: "label" }, label),
      make("span", { class: "number" }, row.text, row.unit), row.canvas, make("span", { class: "range" }, row.high, row.low));
    this.list.append(row.element);
    this.rows.set(name, row);
    return row;
  }

  refresh(frame, now) {
    this.refreshed = now;
    this.told = frame;
    const unit = frame.unit ?? this.unit ?? "";
    this.unit = unit;
    for (const [name, row] of this.rows) {
      say(row.text, row.doubtful ? "no fit" : write(row.value, 5));
      row.element.classList.toggle("doubtful", row.doubtful);
      say(row.unit, row.doubtful || WITHOUT_UNIT.has(name) ? "" : unit);
    }
    say(this.pulse, `pulse ${frame.pulse}`);
    const spans = `up to the last ${this.minutes} minute${this.minutes === 1 ? "" : "s"}`;
    say(this.title, this.analysed ? "Beam" : "Image");
    const meaning = this.analysed ? `Positions and sizes ${unitWords(this.unit)}` : "This stream brings no analysis; these are of its images";
    say(this.caption, this.rows.size ? `${meaning}. Curves: ${spans}.` : "");
    if (now - this.drawn >= TREND_MS) this.drawTrends(frame.time, now);
  }

  drawTrends(end, now) {
    this.drawn = now;
    const colours = (this.colours ??= palette());
    for (const row of this.rows.values()) {
      const [width, height] = [row.canvas.clientWidth, row.canvas.clientHeight];
      if (width < 10) continue;
      // A trend that has just begun fills its place all the same.
      const length = Math.min(60 * this.minutes, Math.max(end - row.series.first, SHORTEST_S));
      const range = drawTrend(sharpen(row.canvas, width, height), row.series, width, height, end - length, end, colours);
      say(row.high, range ? write(range[1], 4) : "");
      say(row.low, range ? write(range[0], 4) : "");
    }
  }

  repaint() { this.colours = palette(); }
}
