// What somebody else changed while somebody edited, side by side.

import { at, differences, written } from "./changes.js";
import { make } from "./dom.js";
import { writers } from "./writers.js";

/**
 * A table of everything that differs: as it was read, as it is now and by whom, where that is known, and as it shall be.
 * @param before, now objects
 * @param edits values by path
 */
export function comparison(fields, { spec: before }, { spec: now, metadata }, edits) {
  const fieldOf = (path) => fields.find((field) => path === field.path || path.startsWith(`${field.path}.`));
  const theirs = new Map();
  for (const [path] of differences(before, now)) {
    const row = fieldOf(path)?.path ?? path;
    theirs.set(row, [...(theirs.get(row) ?? []), path]);
  }
  const row = (path) => {
    const field = fieldOf(path);
    const show = (spec) => (field ? field.write(field.of(spec)) : written(at(spec, path)));
    const mine = path in edits ? field.write(edits[path]) : "as it is now";
    const who = writers(metadata.managedFields, theirs.get(path) ?? []);
    return make("tr", {}, make("th", { scope: "row" }, field?.label ?? path), make("td", {}, show(before)),
      make("td", {}, show(now), ...(who ? [make("small", {}, who)] : [])), make("td", {}, mine));
  };
  const head = ["", "was", "now", "yours"].map((text) => make("th", { scope: "col" }, text));
  return make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...[...new Set([...theirs.keys(), ...Object.keys(edits)])].map(row)));
}
