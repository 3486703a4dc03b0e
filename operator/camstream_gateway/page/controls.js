// The controls below the picture. Each does what a key does, too.

import { COLORMAPS } from "./colormaps.js";
import { make, say } from "./dom.js";
import { choose, settings } from "./settings.js";

export class Controls {
  /** @param on {changed(): a choice changed, act(name): a button was pressed, limits(): those of the colours now} */
  constructor(on) {
    this.on = on;
    const button = (label, act, title, extra = {}) => make("button", { type: "button", title, click: () => on.act(act), ...extra }, label);
    this.pause = button("Pause", "pause", "Hold this pulse (space)", { "aria-pressed": "false", class: "wide" });
    this.back = button("\u25c0", "back", "One pulse back (\u2190 while paused)", { "aria-label": "One pulse back" });
    this.forth = button("\u25b6", "forth", "One pulse on (\u2192 while paused)", { "aria-label": "One pulse on" });
    this.place = make("span", { class: "place" });
    this.colormap = this.select("Colours", COLORMAPS, "colormap");
    this.contrast = this.select("Contrast", { auto: "Auto", percentile: "Percentile", manual: "Manual" }, "contrast");
    this.low = this.number("Low", () => settings.low, (value) => ({ low: value, contrast: "manual" }));
    this.high = this.number("High", () => settings.high, (value) => ({ high: value, contrast: "manual" }));
    this.from = this.number("from %", () => settings.percentiles[0], (value) => ({ percentiles: [clamp(value), settings.percentiles[1]] }));
    this.to = this.number("to %", () => settings.percentiles[1], (value) => ({ percentiles: [settings.percentiles[0], clamp(value)] }));
    this.log = this.check("Log", "log");
    this.overlays = this.check("Overlays", "overlays");
    this.saturation = this.check("Mark saturated", "saturation");
    this.transfer = this.select("Transfer", { auto: "As the link allows", exact: "Always exact", small: "Small" }, "transfer");
    this.minutes = this.select("Trends", { 1: "1 minute", 5: "5 minutes", 15: "15 minutes" }, "minutes", Number);
    this.bar = make("div", { class: "bar", role: "toolbar", "aria-label": "Picture" },
      make("span", { class: "group" }, this.back, this.pause, this.forth, this.place),
      make("span", { class: "group" }, button("\u2212", "out", "Zoom out (\u2212)", { "aria-label": "Zoom out" }), button("Fit", "fit", "Show all (0)"),
        button("1:1", "actual", "One screen pixel per pixel (1)"), button("+", "in", "Zoom in (+)", { "aria-label": "Zoom in" })),
      make("span", { class: "group" }, make("span", { class: "label" }, "Save"), button("PNG", "png", "The image in colours (s)"),
        button("TIFF", "tiff", "The numbers, exact (t)"), button("npy", "npy", "The numbers, exact, for numpy (n)"),
        button("View", "view", "What is seen, with axes and overlays (v)")));
    this.display = make("div", { class: "choices" }, this.colormap, this.contrast, this.low, this.high, this.from, this.to,
      make("span", { class: "checks" }, this.log, this.overlays, this.saturation));
    this.link = make("div", { class: "choices" }, this.transfer, this.minutes);
    this.refresh();
  }

  /** Show what is chosen now. */
  refresh() {
    for (const choice of [this.colormap, this.contrast, this.transfer, this.minutes]) choice.lastChild.value = String(settings[choice.dataset.name]);
    for (const choice of [this.log, this.overlays, this.saturation]) choice.firstChild.checked = settings[choice.dataset.name];
    for (const choice of [this.low, this.high, this.from, this.to]) {
      if (document.activeElement !== choice.lastChild) choice.lastChild.value = String(Number(choice.read().toPrecision(6)));
    }
    this.low.hidden = this.high.hidden = settings.contrast !== "manual";
    this.from.hidden = this.to.hidden = settings.contrast !== "percentile";
  }

  /** @param place {paused, position, count} */
  showPlace({ paused, position, count }) {
    say(this.pause, paused ? "Go on" : "Pause");
    this.pause.setAttribute("aria-pressed", String(paused));
    this.back.disabled = !paused || position <= 1;
    this.forth.disabled = !paused || position >= count;
    say(this.place, paused ? `${position} of the last ${count}` : "");
  }

  select(label, choices, name, convert = String) {
    const options = Object.entries(choices).map(([value, text]) => make("option", { value }, text));
    const select = make("select", { change: () => this.choose({ [name]: convert(select.value) }) }, ...options);
    const choice = make("label", { class: "choice" }, make("span", {}, label), select);
    choice.dataset.name = name;
    return choice;
  }

  number(label, read, changes) {
    const input = make("input", {
      type: "number", step: "any",
      change: () => { if (input.value !== "" && Number.isFinite(input.valueAsNumber)) this.choose(changes(input.valueAsNumber)); },
    });
    const choice = make("label", { class: "choice short" }, make("span", {}, label), input);
    choice.read = read;
    return choice;
  }

  check(label, name) {
    const input = make("input", { type: "checkbox", change: () => this.choose({ [name]: input.checked }) });
    const choice = make("label", { class: "check" }, input, label);
    choice.dataset.name = name;
    return choice;
  }

  choose(changes) {
    // By hand one goes on from what is seen.
    const [low, high] = this.on.limits() ?? [settings.low, settings.high];
    choose(changes.contrast === "manual" ? { low, high, ...changes } : changes);
    this.refresh();
    this.on.changed();
  }
}

function clamp(percent) { return Math.min(Math.max(percent, 0), 100); }
