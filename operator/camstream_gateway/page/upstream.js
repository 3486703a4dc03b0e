// Where the frames of a stream come from.

import { placeOf, read, Refusal } from "./api.js";

const MOST_STEPS = 16;

/** What a pipeline reads: the size of those images, and the camera that they come from. */
export async function upstreamOf(thing) {
  if (thing.kind === "Camera") return { image: null, camera: { name: thing.metadata.name, place: placeOf("Camera", thing.metadata.namespace, thing.metadata.name) } };
  let image = null;
  let step = thing;
  for (let steps = 0; steps < MOST_STEPS; steps++) {
    const { camera, pipeline } = step.spec.input ?? {};
    const name = (camera ?? pipeline)?.name;
    if (!name) break;
    const place = placeOf(camera ? "Camera" : "Pipeline", step.metadata.namespace, name);
    try {
      step = (await read(place)).thing;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      break; // that it is missing is told by a condition
    }
    image ??= step.status?.image ?? null;
    if (camera) return { image, camera: { name, place } };
  }
  return { image, camera: null };
}
