// How a stream is: one word, one level, and a sentence.

import { span } from "./numbers.js";

// Level -> sign. The sign says it to those who do not see the colour.
export const SIGNS = { good: "\u25cf", warn: "\u25b2", bad: "\u25a0", off: "\u25cb" };

export const LEVELS = { Running: "good", Starting: "warn", Waiting: "warn", Pending: "warn", Failed: "bad", Stopped: "off", Idle: "off", Completed: "off" };
const SENTENCES = {
  Starting: "The worker starts", Pending: "Not started yet", Stopped: "Stopped on request", Idle: "Nobody reads it; it starts when it is asked for", Completed: "Ended after its last frame",
  Waiting: "The worker runs, but its source is silent", Failed: "The worker does not run",
};

/** A running stream without a frame for so long [s] has stopped. */
function silentAfter(rate) {
  return Math.max(2, 5 / (rate || 1));
}

/**
 * @param object what the gateway tells about it, or null where it is gone
 * @param age seconds since its last frame, or null where there was none
 */
export function stateOf(object, age) {
  if (!object) return { word: "Gone", level: "bad", words: "Nothing of this name runs any more" };
  const level = LEVELS[object.phase] ?? "warn";
  const message = object.message || SENTENCES[object.phase] || "";
  if (object.phase === "Running" && age !== null && age > silentAfter(object.rate)) {
    return { word: "Silent", level: "warn", words: `No frame for ${span(age)}${message ? `: ${message}` : ""}`, stale: true };
  }
  const since = level !== "good" && age !== null ? ` Last frame ${span(age)} ago.` : "";
  return { word: object.phase, level, words: message ? `${sentence(message)}${since}` : "", stale: level !== "good" };
}

function sentence(text) {
  const first = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
