// The keyboard: what each key does, and the page of help that says so.

import { make } from "./dom.js";

// Key, how it is written, what it does in words, the act of the stream view.
export const STREAM_KEYS = [
  [" ", "Space", "Pause, and go on", "pause"],
  ["ArrowLeft", "\u2190", "While paused: one pulse back. Otherwise move left", "left"],
  ["ArrowRight", "\u2192", "While paused: one pulse on. Otherwise move right", "right"],
  ["ArrowUp", "\u2191", "Move up", "up"],
  ["ArrowDown", "\u2193", "Move down", "down"],
  ["+", "+", "Zoom in", "in"],
  ["-", "\u2212", "Zoom out", "out"],
  ["0", "0", "Show the whole image", "fit"],
  ["1", "1", "One screen pixel per pixel", "actual"],
  ["a", "A", "Automatic contrast", "auto"],
  ["p", "P", "Contrast by percentiles", "percentile"],
  ["m", "M", "Hold the contrast as it is (manual)", "manual"],
  ["l", "L", "Logarithmic colours", "log"],
  ["c", "C", "Next colour map", "colours"],
  ["g", "G", "Overlays: good region, slices, beam", "overlays"],
  ["e", "E", "Set up: state, conditions and what may be changed", "setup"],
  ["r", "R", "While setting up: drag a region of interest, and no longer", "region"],
  ["s", "S", "Save the image in colours (PNG)", "png"],
  ["t", "T", "Save the numbers (TIFF)", "tiff"],
  ["n", "N", "Save the numbers (npy)", "npy"],
  ["v", "V", "Save what is seen, with axes (PNG)", "view"],
];

const PAGE_KEYS = [["?", "?", "This help"], ["/", "/", "Search, in the overview"], ["o", "O", "All streams"], ["Escape", "Esc", "Leave what is begun; close this; back to all streams"]];

/** The help, as a dialog. */
export function helpDialog() {
  const row = ([, written, words]) => make("div", {}, make("dt", {}, make("kbd", {}, written)), make("dd", {}, words));
  const close = make("button", { type: "button", click: () => dialog.close() }, "Close");
  const dialog = make("dialog", { class: "help", "aria-label": "Keyboard" }, make("h2", {}, "Keyboard"),
    make("h3", {}, "Everywhere"), make("dl", {}, ...PAGE_KEYS.map(row)),
    make("h3", {}, "In a stream"), make("dl", {}, ...STREAM_KEYS.map(row)),
    make("p", { class: "caption" }, "With the pointer: wheel or two fingers zoom, drag moves, double click shows the whole image; drag the handles of the histogram to set the contrast."), close);
  return dialog;
}

/** Whether a key press belongs to what is being typed or chosen. */
export function typing({ target }) {
  return target instanceof HTMLInputElement ? target.type !== "checkbox" : target instanceof HTMLSelectElement;
}
