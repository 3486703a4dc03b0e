// Who wrote what, as Kubernetes keeps it in metadata.managedFields. Pure.

/**
 * Who the value at a path of the spec is of, and when they wrote last: {manager, time}, or null where that is not known, as of a value that was taken away.
 * @param managed metadata.managedFields, or undefined where nobody keeps it
 */
export function writerOf(managed, path) {
  const names = ["spec", ...path.split(".")].map((name) => `f:${name}`);
  const owners = (managed ?? []).filter(({ subresource, fieldsV1 }) => !subresource && has(fieldsV1, names));
  // Several that applied the same value have it in common.
  const [newest] = owners.sort((a, b) => Date.parse(b.time ?? 0) - Date.parse(a.time ?? 0));
  return newest ? { manager: newest.manager, time: newest.time ?? null } : null;
}

/** Who wrote some values, each once, in words; empty where nobody is known. */
export function writers(managed, paths) {
  const found = paths.map((path) => writerOf(managed, path)).filter(Boolean);
  const told = found.map(({ manager, time }) => `by ${manager}${time ? `, ${new Date(time).toLocaleString()}` : ""}`);
  return [...new Set(told)].join("; ");
}

/** Whether a path is in a set of fields. What is written as a whole has nothing below it. */
function has(fields, names) {
  let inner = fields ?? {};
  for (const [depth, name] of names.entries()) {
    if (!(name in inner)) return depth > 1 && Object.keys(inner).length === 0;
    inner = inner[name];
  }
  return true;
}
