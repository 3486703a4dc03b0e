// What somebody else changed while somebody edited, side by side.

import { at, differences, written } from "./changes.js";
import { make } from "./dom.js";

/**
 * A table of everything that differs: as it was read, as it is now, and as it shall be.
 * @param edits values by path
 */
export function comparison(fields, before, now, edits) {
  const fieldOf = (path) => fields.find((field) => path === field.path || path.startsWith(`${field.path}.`));
  const theirs = differences(before, now).map(([path]) => fieldOf(path)?.path ?? path);
  const row = (path) => {
    const field = fieldOf(path);
    const show = (spec) => (field ? field.write(field.of(spec)) : written(at(spec, path)));
    const mine = path in edits ? field.write(edits[path]) : "as it is now";
    return make("tr", {}, make("th", { scope: "row" }, field?.label ?? path), ...[show(before), show(now), mine].map((text) => make("td", {}, text)));
  };
  const head = ["", "was", "now", "yours"].map((text) => make("th", { scope: "col" }, text));
  return make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...[...new Set([...theirs, ...Object.keys(edits)])].map(row)));
}
