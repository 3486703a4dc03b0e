// The panel "Set up" of one stream: how it is and why, and what may be changed about it.
//
// What is typed is sent as one change when it is applied, on the condition that the object is as it was read.

import { backgrounds, collect, patch, placeOf, read, Refusal } from "./api.js";
import { at, differences, patchOf, written } from "./changes.js";
import { applied, Conditions } from "./conditions.js";
import { make, say } from "./dom.js";
import { BackgroundField, CheckField, NumberField, RegionField } from "./fields.js";
import { span } from "./numbers.js";
import { corner, NO_REGION, outlineOf, regionOf, regionPath, wholeImage } from "./region.js";
import { SIGNS, stateOf } from "./state.js";

const AGAIN_MS = 3000;
const MOST_STEPS = 16; // from a pipeline to its camera
const MOST_TRIES = 3;
const FRAMES = 10;
const TIMEOUT_S = 60;
const WORDS = { applying: "Applying\u2026", applied: "Applied", refused: "Refused", kept: "Kept" };

export class Setup {
  /**
   * @param on {picture(): {width, height} as it is shown, or null; held(): whether it is an old one;
   *   pick(done): let a rectangle be dragged, or with null no longer; outline(edges): draw a rectangle, or with null none}
   */
  constructor(kind, namespace, name, on) {
    Object.assign(this, { kind, namespace, name, on });
    this.place = placeOf(kind, namespace, name);
    this.base = null;
    this.fields = [];
    this.upstream = { image: null, camera: null };
    this.told = null;
    this.toldAt = -Infinity;
    this.sent = null;
    this.pill = make("span", { class: "pill" });
    this.words = make("p", { class: "caption" });
    this.conditions = new Conditions();
    this.trouble = make("p", { class: "caption warned", role: "alert", hidden: true });
    this.body = make("div");
    this.element = make("section", { class: "panel setup", "aria-label": "Set up", tabIndex: -1, hidden: true },
      make("h2", {}, "Set up", this.pill), this.words, this.conditions.element, this.trouble, this.body);
    this.clock = setInterval(() => this.look(), AGAIN_MS);
  }

  get open() { return !this.element.hidden; }

  /** Show the panel or put it away. What was typed and not applied is lost with it. */
  toggle(open) {
    this.element.hidden = !open;
    this.stopPicking();
    this.on.outline(null);
    this.base = this.sent = null;
    this.body.replaceChildren();
    if (open) this.load();
  }

  close() {
    clearInterval(this.clock);
    clearInterval(this.counting);
    this.element.hidden = true;
  }

  // How it is

  /** @param object what the gateway tells about the stream, or null where it is gone */
  show(object) {
    this.told = object;
    this.toldAt = performance.now();
    if (this.open) this.tell();
  }

  tell() {
    const state = stateOf(this.told, this.told?.ageSeconds ?? null);
    this.pill.className = `pill ${state.level}`;
    say(this.pill, `${SIGNS[state.level]} ${state.word}`);
    say(this.words, state.words);
    this.conditions.show(this.told);
    if (!this.base || !this.told) return;
    if (this.sent) this.follow();
    if (Boolean(this.told.readOnly) !== Boolean(this.readOnly) && this.told.readOnly !== undefined) this.build();
    const newest = Math.max(0, ...this.told.conditions.map((found) => found.observedGeneration ?? 0));
    // Somebody else has changed it. What is typed here stays; to apply it tells what has changed.
    if (newest > (this.base.thing.metadata.generation ?? Infinity) && !this.edited && !this.busy) this.load();
    this.offer();
  }

  /** Whether the worker has taken over what was applied last. */
  follow() {
    const { word, message } = applied(this.told.conditions, this.sent.generation);
    this.outcome.className = `outcome ${{ applied: "good", refused: "bad" }[word] ?? "warn"}`;
    say(this.outcome, message ? `${WORDS[word]}: ${message}` : WORDS[word]);
  }

  /** Of a stream that nobody tells about: one that is pushed cannot be looked at, and is asked for instead. */
  look() {
    if (!this.open || this.busy || this.loading) return;
    const silent = performance.now() - this.toldAt > AGAIN_MS;
    if (!this.base || (silent && !this.edited)) this.load();
  }

  // What it shall be

  async load() {
    if (this.loading) return;
    this.loading = true;
    try {
      const found = await read(this.place);
      const upstream = await upstreamOf(found.thing);
      // What was typed meanwhile stays.
      if (!this.open || this.busy || this.edited) return;
      this.upstream = upstream;
      this.take(found);
      if (performance.now() - this.toldAt > AGAIN_MS) {
        this.told = { ...this.told, ...found.thing.status, message: "", ageSeconds: null };
        this.tell();
      }
      this.complain("");
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.complain(error.message);
    } finally {
      this.loading = false;
    }
  }

  /** Show what was read, in place of what was typed. */
  take(found) {
    const first = !this.base;
    this.base = found;
    if (first) this.build();
    for (const field of this.fields) field.show(field.of(found.thing.spec));
    this.clean();
    this.listBackgrounds();
    this.changed();
  }

  complain(words) {
    say(this.trouble, words);
    this.trouble.hidden = words === "";
  }

  /** The fields that this kind of stream has or, where it may not be changed, their values. */
  build() {
    this.readOnly = Boolean(this.told?.readOnly);
    this.fields = this.fieldsOf(this.base.thing);
    for (const field of this.fields) field.show(field.of(this.base.thing.spec));
    this.outcome = make("output", { class: "outcome", "aria-live": "polite" });
    if (this.readOnly) {
      this.refuse("This stream is shared: who reads it relies on it as it is. It can be changed where it is saved, or make one of your own from it");
      return;
    }
    this.apply = make("button", { type: "submit" }, "Apply");
    this.undo = make("button", { type: "button", click: () => this.take(this.base) }, "Undo");
    this.conflict = make("div", { class: "conflict", role: "alert", hidden: true });
    this.rest = make("p", { class: "wrong", role: "alert", hidden: true });
    const form = make("form", { noValidate: true, submit: (event) => { event.preventDefault(); this.send(); } }, ...this.fields.map(({ element }) => element),
      make("div", { class: "buttons" }, this.apply, this.undo, this.outcome), this.rest, this.conflict);
    this.body.replaceChildren(form, ...(this.background ? [this.capturing()] : []));
    this.changed();
  }

  /** Values without controls, and why. */
  refuse(why) {
    this.readOnly = true;
    this.stopPicking();
    this.on.outline(null);
    this.sent = null;
    const rows = this.fields.map((field) => make("div", {}, make("dt", {}, field.label), make("dd", {}, field.write(field.of(this.base.thing.spec)))));
    this.body.replaceChildren(make("p", { class: "caption readonly" }, `${why}.`), make("dl", { class: "values" }, ...rows));
  }

  fieldsOf(thing) {
    const on = { changed: () => this.changed(), pick: () => this.pick() };
    const { spec } = thing;
    const path = regionPath(thing);
    this.region = path ? new RegionField(path, on) : null;
    const prepared = thing.kind === "Pipeline" && spec.type === "Processing";
    this.background = path ? new BackgroundField(prepared ? "processing.background" : "background", on) : null;
    const found = [this.region, this.background];
    if (prepared) {
      found.push(new NumberField("processing.threshold", "Threshold", "Pixels below this become 0", on));
      found.push(new NumberField("processing.averaging", "Averaging", "Mean of the last N images", on));
    }
    // A script that does everything itself asks nobody which frames it shall take.
    if (thing.kind === "Pipeline" && spec.type !== "Script") {
      found.push(new CheckField("selection.pause", "Pause the pipeline", "Drop every frame, for all who read it", on));
    }
    return found.filter(Boolean);
  }

  /** Something was typed. */
  changed() {
    if (!this.base || this.readOnly) return;
    const edited = this.edited;
    this.apply.disabled = this.undo.disabled = this.busy || !edited;
    if (edited && !this.busy) say(this.outcome, "");
    if (edited) this.sent = null;
    this.offer();
  }

  get edited() { return !this.readOnly && Boolean(this.base) && this.fields.some((field) => field.differs(this.base.thing.spec)); }

  /** What was typed, by path. */
  edits() {
    const edited = this.fields.filter((field) => field.differs(this.base.thing.spec));
    return Object.fromEntries(edited.map((field) => [field.path, field.value()]));
  }

  clean() {
    if (this.readOnly) return;
    for (const field of this.fields) field.complain("");
    this.rest.hidden = this.conflict.hidden = true;
  }

  /** Send what was typed. What was changed meanwhile beside the spec is nobody's quarrel: it is tried again. */
  async send() {
    if (!this.base || this.busy || !this.edited) return;
    this.clean();
    const wrong = this.fields.filter((field) => field.problem());
    for (const field of wrong) field.complain(field.problem());
    if (wrong.length) {
      wrong[0].inputs[0].focus();
      return;
    }
    this.busy = true;
    this.changed();
    this.outcome.className = "outcome warn";
    say(this.outcome, WORDS.applying);
    try {
      await this.exchange(this.edits());
    } finally {
      this.busy = false;
      this.changed();
    }
  }

  async exchange(edits) {
    for (let tries = 1; ; tries++) {
      try {
        const found = await patch(this.place, { spec: patchOf(edits) }, this.base.etag);
        this.take(found);
        this.sent = { generation: found.thing.metadata.generation ?? null };
        return;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        if (error.status !== 412) {
          this.refused(error);
          return;
        }
      }
      try {
        const found = await read(this.place);
        const theirs = differences(this.base.thing.spec, found.thing.spec);
        if (theirs.length || tries === MOST_TRIES) {
          this.disagree(found, theirs, edits);
          return;
        }
        this.base = found;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.refused(error);
        return;
      }
    }
  }

  /** Say why a change was not taken: beside the field that it names, where it names one. */
  refused(error) {
    say(this.outcome, "");
    if (error.status === 403) {
      this.refuse(error.message.replace(/\.$/, ""));
      return;
    }
    const field = this.fields.find(({ path }) => error.message.includes(path));
    if (field) {
      field.complain(error.message);
      field.inputs[0].focus();
      return;
    }
    say(this.rest, error.message);
    this.rest.hidden = false;
  }

  /** Somebody else was faster: show both, and let the person choose. */
  disagree(found, theirs, edits) {
    say(this.outcome, "");
    const field = (path) => this.fields.find((one) => path === one.path || path.startsWith(`${one.path}.`));
    const paths = [...new Set([...theirs.map(([path]) => field(path)?.path ?? path), ...Object.keys(edits)])];
    const row = (path) => {
      const one = field(path);
      const show = (spec) => (one ? one.write(one.of(spec)) : written(at(spec, path)));
      const mine = path in edits ? one.write(edits[path]) : "as it is now";
      return make("tr", {}, make("th", { scope: "row" }, one?.label ?? path), make("td", {}, show(this.base.thing.spec)), make("td", {}, show(found.thing.spec)), make("td", {}, mine));
    };
    const head = ["", "was", "now", "yours"].map((text) => make("th", { scope: "col" }, text));
    const take = make("button", { type: "button", click: () => this.take(found) }, "Take theirs");
    const keep = make("button", { type: "button", click: () => { this.base = found; this.send(); } }, "Apply mine");
    this.conflict.replaceChildren(make("p", {}, "This stream was changed meanwhile, so nothing of yours was applied."),
      make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...paths.map(row))), make("div", { class: "buttons" }, take, keep));
    this.conflict.hidden = false;
    take.focus();
  }

  // Region of interest

  /** Where the picture lies in the image that the region counts in, or why that is not known. */
  corner() {
    const { thing } = this.base;
    const picture = this.on.picture();
    if (!this.region) return { why: NO_REGION };
    if (!picture) return { why: "There is no picture yet" };
    if (this.on.held()) return { why: "The picture is held; go on first" };
    if (this.told && applied(this.told.conditions, thing.metadata.generation).word !== "applied") return { why: "The worker has not taken over the newest change" };
    return corner(thing, this.region.of(thing.spec), picture, wholeImage(thing, this.upstream.image));
  }

  /** Offer to drag a region, and draw the one that is typed. */
  offer() {
    if (!this.base || this.readOnly || !this.region) return;
    const start = this.corner();
    if (start.why) this.stopPicking();
    this.region.offer(start.why ?? "", Boolean(this.picking));
    const typed = this.region.problem() ? null : this.region.value();
    this.on.outline(!start.why && typed && this.region.differs(this.base.thing.spec) ? outlineOf(typed, start) : null);
  }

  /** Let a rectangle be dragged on the picture, or no longer. */
  pick() {
    if (!this.base || this.readOnly || !this.region) return;
    if (this.picking) {
      this.stopPicking();
      this.offer();
      return;
    }
    const start = this.corner();
    if (!start.why) {
      this.picking = true;
      this.on.pick((from, to) => {
        const picture = this.on.picture();
        this.stopPicking();
        this.region.show(regionOf(from, to, picture, start));
        this.changed();
        this.apply.focus();
      });
    }
    this.offer();
  }

  stopPicking() {
    if (!this.picking) return;
    this.picking = false;
    this.on.pick(null);
  }

  /** Leave what is begun; whether there was something. */
  escape() {
    if (this.picking) {
      this.stopPicking();
      this.offer();
      return true;
    }
    if (!this.element.contains(document.activeElement)) return false;
    document.activeElement.blur();
    return true;
  }

  // Background

  async listBackgrounds() {
    const { camera } = this.upstream;
    if (!this.background || !camera) return;
    try {
      this.background.list(await backgrounds(camera.place));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.background.complain(error.message);
    }
  }

  /** The part that collects one. */
  capturing() {
    const frames = make("input", { type: "number", min: 1, step: 1, value: String(FRAMES) });
    const progress = make("progress", { "aria-label": "Collecting", hidden: true });
    const said = make("output", { class: "caption", "aria-live": "polite" });
    const use = make("button", { type: "button", hidden: true }, "Use it");
    const start = make("button", { type: "submit" }, "Capture background");
    const camera = this.upstream.camera?.name;
    start.disabled = !camera;
    const caption = make("p", { class: "caption" }, camera ? this.advice(camera) : "What this stream reads is no camera of this installation: there is no background to capture.");
    const run = async (event) => {
      event.preventDefault();
      const count = frames.valueAsNumber;
      const began = performance.now();
      const tell = () => say(said, `Waiting for ${count} frames of ${camera}: ${span((performance.now() - began) / 1000)} of at most ${TIMEOUT_S} s`);
      start.disabled = use.hidden = true;
      progress.hidden = false;
      tell();
      this.counting = setInterval(tell, 500);
      try {
        const id = await collect(this.upstream.camera.place, count, TIMEOUT_S);
        say(said, `Collected ${id}`);
        use.hidden = this.readOnly;
        use.onclick = () => { this.background.choose(`id:${id}`); this.changed(); this.send(); };
        await this.listBackgrounds();
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        say(said, `No background: ${error.message}`);
      } finally {
        clearInterval(this.counting);
        progress.hidden = true;
        start.disabled = false;
      }
    };
    return make("form", { class: "capture", noValidate: true, submit: run }, make("label", { class: "choice short" }, make("span", {}, "Frames"), frames), start, use, progress, said, caption);
  }

  /** What to see to before a background is captured. */
  advice(camera) {
    const { spec } = this.base.thing;
    if (this.kind !== "camera") return `The mean of the next frames of camera ${camera}, without beam.`;
    const first = [spec.background ? "switch its background off" : "", spec.geometry.regionOfInterest ? "clear the region of interest" : ""].filter(Boolean);
    return `The mean of the next frames, without beam.${first.length ? ` To use it for the camera itself, first ${first.join(" and ")}: it must be of the whole image as it comes.` : ""}`;
  }
}

/** What a pipeline reads: the size of those images, and the camera that they come from. */
async function upstreamOf(thing) {
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
