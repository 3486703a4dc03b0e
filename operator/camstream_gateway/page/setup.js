// The panel "Set up" of one stream: how it is and why, and what may be changed about it.
//
// What is typed is sent as one change when it is applied, on the condition that the object is as it was read.

import { backgrounds, patch, placeOf, read, Refusal } from "./api.js";
import { Capture } from "./capture.js";
import { differences, patchOf } from "./changes.js";
import { applied, Conditions } from "./conditions.js";
import { comparison } from "./conflict.js";
import { make, say } from "./dom.js";
import { BackgroundField, CheckField, NumberField, RegionField } from "./fields.js";
import { corner, NO_REGION, outlineOf, prepares, regionOf, regionPath, wholeImage } from "./region.js";
import { SIGNS, stateOf } from "./state.js";
import { upstreamOf } from "./upstream.js";

const AGAIN_MS = 3000;
const MOST_TRIES = 3;
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
    this.barred = "";
    this.body.replaceChildren();
    if (open) this.load();
  }

  close() {
    clearInterval(this.clock);
    this.capture?.close();
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
    if (first || (this.whyNot(found) !== "") !== this.readOnly) this.build();
    for (const field of this.fields) field.show(field.of(found.thing.spec));
    this.capture?.advise(found.thing);
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
    this.fields = this.fieldsOf(this.base.thing);
    this.outcome = make("output", { class: "outcome", "aria-live": "polite" });
    const why = this.whyNot(this.base);
    this.readOnly = why !== "";
    if (why) {
      this.refuse(why);
      return;
    }
    this.apply = make("button", { type: "submit" }, "Apply");
    this.undo = make("button", { type: "button", click: () => this.take(this.base) }, "Undo");
    this.conflict = make("div", { class: "conflict", role: "alert", hidden: true });
    this.rest = make("p", { class: "wrong", role: "alert", hidden: true });
    const form = make("form", { noValidate: true, submit: (event) => { event.preventDefault(); this.send(); } }, ...this.fields.map(({ element }) => element),
      make("div", { class: "buttons" }, this.apply, this.undo, this.outcome), this.rest, this.conflict);
    this.capture?.close();
    this.capture = this.background && new Capture(this.upstream.camera, {
      collected: () => this.listBackgrounds(), use: (id) => { this.background.choose(`id:${id}`); this.changed(); this.send(); },
    });
    this.body.replaceChildren(form, ...(this.capture ? [this.capture.element] : []));
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
    const prepared = prepares(thing);
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
        const found = await read(this.place, true);
        if (differences(this.base.thing.spec, found.thing.spec).length || tries === MOST_TRIES) {
          this.disagree(found, edits);
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
      this.barred = error.message.replace(/\.$/, "");
      this.refuse(this.barred);
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
  disagree(found, edits) {
    say(this.outcome, "");
    const take = make("button", { type: "button", click: () => this.take(found) }, "Take theirs");
    const keep = make("button", { type: "button", click: () => { this.base = found; this.send(); } }, "Apply mine");
    this.conflict.replaceChildren(make("p", {}, "This stream was changed meanwhile, so nothing of yours was applied."),
      comparison(this.fields, this.base.thing, found.thing, edits), make("div", { class: "buttons" }, take, keep));
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

  /** Why an object may not be changed here, or nothing. The server has the last word: it refuses what may not be changed. */
  whyNot({ shared, writable }) {
    if (shared) return "This stream is shared: all who read it rely on it as it is. Make one of your own from it to change something";
    return writable ? this.barred : "This page can only read: whoever runs it has not let it change anything";
  }
}
