// What a person has chosen, kept in this browser.

import { DEFAULT_COLORMAP } from "./colormaps.js";

const PLACE = "camstream";

const DEFAULTS = {
  colormap: DEFAULT_COLORMAP, contrast: "auto", low: 0, high: 65535, percentiles: [1, 99.8], log: false,
  overlays: true, saturation: true, transfer: "auto", minutes: 5, setup: false,
};

export const settings = { ...DEFAULTS, ...load() };

/** Change some settings and keep them. */
export function choose(changes) {
  Object.assign(settings, changes);
  try {
    localStorage.setItem(PLACE, JSON.stringify(settings));
  } catch {
    // A browser that keeps nothing still shows everything.
  }
}

function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE) ?? "{}");
    return Object.fromEntries(Object.entries(kept).filter(([name, value]) => name in DEFAULTS && typeof value === typeof DEFAULTS[name]));
  } catch {
    return {};
  }
}
