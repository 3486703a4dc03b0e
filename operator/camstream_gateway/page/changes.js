// What differs between two objects. Pure.

/** Every path in which two values differ: [path, before, after], the path with dots. */
export function differences(before, after, path = "") {
  const maps = [before, after].filter(isMap);
  // What is at its default is not in a manifest: one that is not there is like one of which nothing is.
  const names = [...new Set(maps.flatMap(Object.keys))].sort();
  if (names.length && [before, after].every((value) => isMap(value) || (value ?? null) === null)) {
    return names.flatMap((name) => differences(before?.[name], after?.[name], path ? `${path}.${name}` : name));
  }
  return JSON.stringify(before ?? null) === JSON.stringify(after ?? null) ? [] : [[path, before ?? null, after ?? null]];
}

/** The value at a path with dots, or null. */
export function at(value, path) {
  return path.split(".").reduce((found, name) => found?.[name], value) ?? null;
}

/** A merge patch of values by path. */
export function patchOf(values) {
  const found = {};
  for (const [path, value] of Object.entries(values)) {
    const names = path.split(".");
    const last = names.pop();
    names.reduce((inner, name) => (inner[name] ??= {}), found)[last] = value;
  }
  return found;
}

/** A value for people. */
export function written(value) {
  if (value === null || value === undefined || value === "") return "none";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (isMap(value)) return Object.entries(value).filter(([, inner]) => inner !== null).map(([name, inner]) => `${name} ${written(inner)}`).join(", ") || "default";
  return Array.isArray(value) ? value.map(written).join(", ") || "none" : String(value);
}

function isMap(value) { return value !== null && typeof value === "object" && !Array.isArray(value); }
