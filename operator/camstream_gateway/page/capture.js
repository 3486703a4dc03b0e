// The part of the panel that collects a background.

import { collect, Refusal } from "./api.js";
import { make, say } from "./dom.js";
import { span } from "./numbers.js";

const FRAMES = 10;
const TIMEOUT_S = 60;

export class Capture {
  /**
   * @param camera {name, place} that is asked for its frames, or null
   * @param on {collected(): a background is there; use(id): it shall be subtracted}
   */
  constructor(camera, on) {
    Object.assign(this, { camera, on });
    this.frames = make("input", { type: "number", min: 1, step: 1, value: String(FRAMES) });
    this.progress = make("progress", { "aria-label": "Collecting", hidden: true });
    this.said = make("output", { class: "caption", "aria-live": "polite" });
    this.use = make("button", { type: "button", hidden: true, click: () => on.use(this.id) }, "Use it");
    this.start = make("button", { type: "submit", disabled: !camera }, "Capture background");
    this.caption = make("p", { class: "caption" });
    this.element = make("form", { class: "capture", noValidate: true, submit: (event) => { event.preventDefault(); this.run(); } },
      make("label", { class: "choice short" }, make("span", {}, "Frames"), this.frames), this.start, this.use, this.progress, this.said, this.caption);
  }

  /** Collect one. Nobody tells how many frames have come, so the time is told. */
  async run() {
    if (this.clock || !this.camera) return;
    const began = performance.now();
    const count = this.frames.valueAsNumber;
    const tell = () => say(this.said, `Waiting for ${count} frames of ${this.camera.name}: ${span((performance.now() - began) / 1000)} of at most ${TIMEOUT_S} s`);
    this.start.disabled = this.use.hidden = true;
    this.progress.hidden = false;
    this.clock = setInterval(tell, 500);
    tell();
    try {
      this.id = await collect(this.camera.place, count, TIMEOUT_S);
      say(this.said, `Collected ${this.id}`);
      this.use.hidden = false;
      this.on.collected();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      say(this.said, `No background: ${error.message}`);
    } finally {
      this.close();
      this.progress.hidden = true;
      this.start.disabled = false;
    }
  }

  /** Say what to see to before a background of this stream is captured. */
  advise(thing) {
    say(this.caption, this.camera ? advice(thing, this.camera.name) : "What this stream reads is no camera that is known here: there is no background to capture.");
  }

  close() {
    clearInterval(this.clock);
    this.clock = null;
  }
}

function advice(thing, camera) {
  if (thing.kind !== "Camera") return `The mean of the next frames of camera ${camera}, without beam.`;
  const first = [thing.spec.background ? "switch its background off" : "", thing.spec.geometry?.regionOfInterest ? "clear the region of interest" : ""].filter(Boolean);
  return `The mean of the next frames, without beam.${first.length ? ` To use it for the camera itself, first ${first.join(" and ")}: it must be of the whole image as it comes.` : ""}`;
}
