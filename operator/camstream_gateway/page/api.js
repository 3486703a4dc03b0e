// The native API of the gateway: objects in the form of their manifests.

/** An answer that is no success. `code` is one word, the message is for people. */
export class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

const EVERY = { cache: "no-store", credentials: "same-origin" };

/** @param kind of an object, in any case; the names as they are */
export function placeOf(kind, namespace, name) {
  return ["/api/v1", `${kind.toLowerCase()}s`, encodeURIComponent(namespace), encodeURIComponent(name)].join("/");
}

/**
 * An object, the ETag of what was read, whether it is shared, and whether this server lets objects be changed. Throws a Refusal, as all of these do.
 * @param writers whether to read, too, who wrote which field, where that is kept
 */
export async function read(place, writers = false) {
  const answer = await ask("GET", writers ? `${place}?managedFields=true` : place);
  return { ...(await objectOf(answer)), writable: (answer.headers.get("Allow") ?? "PATCH").includes("PATCH") };
}

/** Change a part of an object (RFC 7386), if it is still as it was read. */
export async function patch(place, changes, etag) {
  return { writable: true, ...await objectOf(await ask("PATCH", place, changes, { "Content-Type": "application/merge-patch+json", "If-Match": etag })) };
}

/** Ask for a stream that sleeps. */
export async function wake(place) { await ask("POST", `${place}/wake`, {}); }

/** Ids of the backgrounds of a camera, the oldest first. */
export async function backgrounds(place) { return (await (await ask("GET", `${place}/backgrounds`)).json()).items; }

/** Collect a background; its id. It comes when the frames have. */
export async function collect(place, frames, timeoutSeconds) {
  return (await (await ask("POST", `${place}/backgrounds`, { frames, timeoutSeconds })).json()).name;
}

async function objectOf(answer) {
  return { thing: await answer.json(), etag: answer.headers.get("ETag"), shared: answer.headers.get("Camstream-Read-Only") === "true" };
}

async function ask(method, place, body, headers = { "Content-Type": "application/json" }) {
  let answer;
  try {
    answer = await fetch(place, { ...EVERY, method, ...(body === undefined ? {} : { headers, body: JSON.stringify(body) }) });
  } catch {
    throw new Refusal(0, "Unavailable", "The gateway did not answer; look at the values again when it does");
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  let told = {};
  try {
    told = JSON.parse(text).error ?? {};
  } catch {
    // Whatever stands before the gateway writes its refusals in its own way.
  }
  throw new Refusal(answer.status, told.code ?? answer.statusText, told.message ?? (text.trim().slice(0, 300) || `Refused with status ${answer.status}`));
}
