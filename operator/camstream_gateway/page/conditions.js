// What the conditions of a stream say, for people.

import { make, say } from "./dom.js";
import { span } from "./numbers.js";
import { LEVELS, SIGNS } from "./state.js";

/** How good a condition is, by its status and the phase of its stream. */
export function levelOf({ type, status }, phase) {
  if (status === "Unknown") return "off";
  if (type === "ReconciliationPaused") return status === "True" ? "warn" : "good";
  if (status === "True") return "good";
  // What is false of a stream that nobody wants now is no trouble.
  return LEVELS[phase] === "good" ? "warn" : LEVELS[phase] ?? "warn";
}

/**
 * Whether the worker runs with the spec of a generation.
 * @returns {word: "applying" | "applied" | "refused" | "kept", message}
 */
export function applied(conditions, generation) {
  const about = (type) => conditions.find((found) => found.type === type && (found.observedGeneration ?? 0) >= (generation ?? 0));
  const [accepted, config] = [about("Accepted"), about("ConfigApplied")];
  if (accepted?.status === "False") return { word: "refused", message: accepted.message };
  if (!config) return { word: "applying", message: "" };
  if (config.status === "True") return { word: "applied", message: "" };
  if (config.status === "Unknown") return { word: "kept", message: "The worker takes it over when it runs" };
  return { word: ["Rejected", "NotAccepted"].includes(config.reason) ? "refused" : "applying", message: config.message };
}

/** The list of them, kept up to date. */
export class Conditions {
  constructor() {
    this.rows = new Map();
    this.element = make("ul", { class: "conditions", "aria-label": "Conditions" });
  }

  /** @param object what the gateway tells about it, or null */
  show(object, now = Date.now()) {
    const told = object?.conditions ?? [];
    for (const condition of told) {
      const row = this.rows.get(condition.type) ?? this.add(condition.type);
      const level = levelOf(condition, object.phase);
      row.sign.className = `sign ${level}`;
      say(row.sign, SIGNS[level]);
      say(row.status, condition.status);
      say(row.reason, condition.reason);
      const age = (now - Date.parse(condition.lastTransitionTime)) / 1000;
      say(row.age, Number.isFinite(age) ? `${span(Math.max(Math.round(age), 0))} ago` : "");
      row.age.title = condition.lastTransitionTime;
      say(row.message, condition.message);
    }
    for (const [type, row] of this.rows) {
      if (told.some((condition) => condition.type === type)) continue;
      row.element.remove();
      this.rows.delete(type);
    }
  }

  add(type) {
    const row = { sign: make("span"), status: make("span", { class: "status" }), reason: make("span", { class: "reason" }), age: make("span", { class: "age" }), message: make("p") };
    row.sign.setAttribute("aria-hidden", "true");
    row.element = make("li", {}, row.sign, make("strong", {}, type), row.status, row.reason, row.age, row.message);
    this.element.append(row.element);
    this.rows.set(type, row);
    return row;
  }
}
