// One stream, pulse by pulse.

import { placeOf as objectAt, Refusal, wake } from "./api.js";
import { colormap, COLORMAPS } from "./colormaps.js";
import { Connection } from "./connection.js";
import { limits as limitsFor, placeOf } from "./contrast.js";
import { Controls } from "./controls.js";
import { make, say } from "./dom.js";
import { Figure } from "./figure.js";
import { makeFrame } from "./frame.js";
import { Levels } from "./levels.js";
import { count, write } from "./numbers.js";
import { Readings } from "./readings.js";
import { fileName, keep, npy, png, tiff } from "./save.js";
import { choose, settings } from "./settings.js";
import { Setup } from "./setup.js";
import { SIGNS, stateOf } from "./state.js";
import { workerUrl } from "./trusted.js";

const RATE_FRAMES = 20;
const SAY_MS = 200;

export class StreamView {
  /** @param path kind/namespace/name of the stream */
  constructor(path) {
    this.path = path;
    [this.kind, this.namespace, this.name] = path.split("/").map(decodeURIComponent);
    this.frame = null;
    this.place = { paused: false, position: 0, count: 0 };
    this.status = null;
    this.told = this.saidAt = performance.now();
    this.connected = "";
    this.trouble = this.waking = "";
    this.asked = false;
    this.waiting = [];
    this.unacknowledged = [];
    this.times = [];
    this.shown = 0;
    this.table = colormap(settings.colormap);
    this.build();
    this.worker = new Worker(workerUrl(), { type: "module" });
    this.worker.onmessage = ({ data }) => this.arrived(data);
    this.connection = new Connection(`/ws/streams/${path}`, {
      frame: (buffer) => this.worker.postMessage({ buffer, received: performance.now(), percentiles: settings.percentiles }, [buffer]),
      text: (told) => this.heard(told),
      state: (words, open) => this.linked(words, open),
    });
    this.hidden = () => this.look();
    document.addEventListener("visibilitychange", this.hidden);
    this.clock = setInterval(() => {
      this.readings.settle(performance.now());
      this.levels.settle(performance.now());
      this.tell();
    }, 500);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", (this.repaint = () => { for (const part of [this.figure, this.readings, this.levels]) part.repaint(); }));
  }

  build() {
    this.figure = new Figure({
      point: (words) => say(this.point, words),
      problem: (words) => { this.trouble = words; this.tell(); },
    });
    this.figure.setColours(this.table);
    this.controls = new Controls({ changed: () => this.changed(), act: (name) => this.act(name), limits: () => this.limits });
    this.levels = new Levels({ limits: (low, high) => this.controls.choose({ low, high, contrast: "manual" }) });
    this.readings = new Readings();
    this.readings.minutes = settings.minutes;
    this.point = make("output", { class: "point" });
    this.banner = make("div", { class: "banner", role: "status", hidden: true });
    this.pill = make("span", { class: "pill" });
    this.words = make("span", { class: "words", role: "status" });
    this.facts = make("dl", { class: "facts" });
    this.link = make("p", { class: "caption" });
    const title = make("h1", {}, this.name, make("small", {}, this.kind));
    this.opener = make("button", { type: "button", title: "State, conditions and what may be changed (e)", click: () => this.act("setup") }, "Set up");
    this.head = make("div", { class: "head" }, title, this.pill, this.words, this.opener, this.facts);
    this.setup = new Setup(this.kind, this.namespace, this.name, {
      picture: () => this.frame?.image ?? null, held: () => this.place.paused,
      pick: (done) => this.figure.pick(done), outline: (edges) => this.figure.outline(edges),
    });
    const stage = make("div", { class: "stage" }, this.figure.element, this.banner);
    this.element = make("main", { class: "stream" }, this.head,
      make("div", { class: "left" }, make("div", { class: "panel sight" }, stage, this.point), this.controls.bar),
      make("div", { class: "side" }, this.setup.element, this.readings.element,
        make("section", { class: "panel", "aria-label": "Colours" }, make("h2", {}, "Colours and histogram"), this.levels.element, this.controls.display),
        make("section", { class: "panel", "aria-label": "Transfer" }, make("h2", {}, "On its way here"), this.link, this.controls.link)));
    this.controls.showPlace(this.place);
    this.applyOptions();
    this.showSetup(settings.setup);
    document.title = `${this.name} \u2013 camstream`;
  }

  close() {
    this.connection.close();
    this.worker.terminate();
    this.setup.close();
    this.figure.close();
    clearInterval(this.clock);
    document.removeEventListener("visibilitychange", this.hidden);
    this.dark.removeEventListener("change", this.repaint);
  }

  // From the gateway

  linked(words, open) {
    this.connected = words;
    if (open) {
      // What was in flight is lost, and a pause is unknown to the new session.
      this.unacknowledged = [];
      this.waiting = [];
      this.place = { paused: false, position: 0, count: 0 };
      this.controls.showPlace(this.place);
      this.asked = false;
      this.connection.send({ transfer: settings.transfer, numbers: document.hidden });
    }
    this.tell();
  }

  heard(told) {
    if (told.type === "status") {
      this.status = told;
      this.told = performance.now();
      this.wakeUp(told.object);
      this.setup.show(told.object);
      this.tell();
    } else if (told.type === "place") {
      this.place = told;
      this.controls.showPlace(told);
      this.tell();
    } else if (told.type === "gone") {
      this.wanted = null;
      this.trouble = "That pulse is no longer kept by the gateway: pause first, then save";
      this.tell();
    }
  }

  /** Who opens a stream that sleeps wants to see it. It is asked for once: somebody may send it to sleep on purpose. */
  async wakeUp(object) {
    if (object?.phase !== "Idle") this.waking = "";
    if (object?.phase !== "Idle" || this.asked) return;
    this.asked = true;
    this.waking = "Asked for; it starts";
    try {
      await wake(objectAt(this.kind, this.namespace, this.name));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.waking = `It could not be asked for: ${error.message}`;
    }
    this.tell();
  }

  /** A message was decoded: show it when the screen is next refreshed, and never an older one after it. */
  arrived(data) {
    const frame = makeFrame(data, this.status?.object?.unit);
    this.unacknowledged.push({ seq: frame.seq, received: data.received });
    if (this.wanted?.seq === frame.seq && frame.image?.binning === 1) {
      this.save(this.wanted.what, frame);
      this.wanted = null;
    }
    this.waiting.push(frame);
    if (document.hidden) this.show();
    else this.drawing ??= requestAnimationFrame(() => this.show());
  }

  show() {
    this.drawing = null;
    const frames = this.waiting.splice(0);
    const frame = frames.at(-1);
    if (!frame) return;
    const now = performance.now();
    for (const one of frames) this.readings.add(one, now, this.place.paused, this.place.paused || !this.frame);
    if (frame.problem) this.trouble = `A frame could not be decoded: ${frame.problem}`;
    if (frame.image) {
      this.frame = frame;
      this.limits = limitsFor(settings, frame.facts, this.limits);
      this.figure.show(frame, this.limits);
      this.levels.show(frame, this.limits, settings.log, this.table, now);
      this.shown += 1;
      this.times.push(now);
      if (this.times.length > RATE_FRAMES) this.times.shift();
    }
    // The browser's own time is told, so that a slow browser is not taken for a slow link.
    for (const { seq, received } of this.unacknowledged.splice(0)) {
      this.connection.send({ ack: seq, busy: Math.min((performance.now() - received) / 1000, 60) });
    }
    if (this.stale || this.place.paused || now - this.saidAt >= SAY_MS) this.tell();
  }

  // In words

  tell() {
    this.saidAt = performance.now();
    const { object, silentSeconds } = this.status ?? {};
    const since = (performance.now() - this.told) / 1000;
    const age = silentSeconds ?? object?.ageSeconds ?? null;
    const state = this.status ? stateOf(object, age === null ? null : age + since) : { word: "\u2026", level: "off", words: "" };
    const lost = this.connected !== "";
    const problems = this.status?.problems ?? [];
    this.pill.className = `pill ${lost ? "bad" : state.level}`;
    say(this.pill, `${SIGNS[lost ? "bad" : state.level]} ${lost ? "Not connected" : state.word}`);
    const paused = this.place.paused ? `Paused at pulse ${this.frame?.pulse ?? ""}.` : "";
    const error = this.frame?.values.processing_error ?? "";
    say(this.words, [lost ? this.connected : this.waking || state.words, paused, error, this.trouble, ...problems].filter(Boolean).join(" "));
    this.stale = lost || Boolean(state.stale);
    this.figure.element.classList.toggle("stale", this.stale && !this.place.paused);
    const banner = lost ? this.connected : this.waking ? this.waking : this.stale ? state.words : !this.frame && this.status ? "Waiting for the first frame" : "";
    this.banner.hidden = banner === "" || (this.place.paused && !lost);
    say(this.banner, banner);
    this.tellFacts(object);
    this.tellLink();
  }

  tellFacts(object) {
    const { frame } = this;
    const facts = [
      ["Pulse", frame ? frame.pulse : "\u2013"],
      ["Rate", `${write(this.status?.rate ?? 0, 3)} Hz`],
      ["Shown", `${write(this.rate(), 3)} Hz`],
      ["Age", frame ? `${Math.max(Math.round(frame.ageSeconds * 1000), 0)} ms` : "\u2013"],
      ["Drops", count(object?.drops)],
      ["Image", frame?.image ? `${frame.image.width}\u00d7${frame.image.height} ${frame.image.original}` : "\u2013"],
    ];
    if (this.facts.children.length !== facts.length) {
      this.facts.replaceChildren(...facts.map(([name]) => make("div", {}, make("dt", {}, name), make("dd"))));
    }
    facts.forEach(([, value], i) => say(this.facts.children[i].lastChild, value));
  }

  /** How the picture came here, and what was left out on the way. */
  tellLink() {
    const image = this.frame?.image;
    if (!image) return;
    const size = `${write(this.frame.bytes / 1e6, 3)} MB per pulse, ${write((this.frame.bytes * this.rate()) / 1e6, 3)} MB/s`;
    const exact = image.original === image.dtype ? "Every pixel is exact" : `Exact pixels of ${image.original} are shown as ${image.dtype}`;
    const how = image.binning > 1
      ? `Reduced ${image.binning}\u00d7${image.binning} by the gateway${settings.transfer === "auto" ? ", because the link is slow" : ""}; numbers and profiles are of the full image`
      : `${exact}, ${image.codec === "raw" ? "sent as it is" : `compressed${image.passed ? " by the worker" : ""} and decoded here in ${write(this.frame.decodeMs, 2)} ms`}`;
    const { skipped = 0, sent = 0, viewers = 1 } = this.status ?? {};
    const missed = `${count(sent)} pulses sent, ${count(skipped)} passed over for newer ones; ${viewers} viewer${viewers === 1 ? "" : "s"}`;
    say(this.link, `${how}. ${size}. ${missed}.`);
  }

  rate() {
    const { times } = this;
    if (times.length < 2 || performance.now() - times.at(-1) > 3000) return 0;
    return ((times.length - 1) / (times.at(-1) - times[0])) * 1000;
  }

  // From the person

  changed() {
    this.applyOptions();
    this.connection.send({ transfer: settings.transfer });
    if (!this.frame) return;
    // Percentiles are found where the image is decoded; where no next one comes, this one is asked for again.
    if (settings.contrast === "percentile" && (this.place.paused || this.stale)) this.connection.send({ exact: this.frame.seq });
    this.limits = limitsFor(settings, this.frame.facts, null);
    this.figure.limits = this.limits;
    this.figure.change(() => {});
    this.levels.drawn = -Infinity;
    this.levels.show(this.frame, this.limits, settings.log, this.table, performance.now());
  }

  applyOptions() {
    this.table = colormap(settings.colormap);
    this.figure.setColours(this.table);
    this.figure.options = { log: settings.log, overlays: settings.overlays, saturation: settings.saturation };
    this.readings.minutes = settings.minutes;
    this.readings.drawn = -Infinity;
  }

  showSetup(open) {
    this.opener.setAttribute("aria-expanded", String(open));
    this.opener.setAttribute("aria-pressed", String(open));
    if (open !== this.setup.open) this.setup.toggle(open);
  }

  /** Leave what is begun; whether there was something. */
  escape() { return this.setup.open && this.setup.escape(); }

  look() { this.connection.send({ numbers: document.hidden }); }

  choose(changes) { this.controls.choose(changes); }

  act(name) {
    const acts = {
      pause: () => this.connection.send(this.place.paused ? { pause: false } : { pause: true, at: this.frame?.seq }),
      back: () => this.place.paused && this.connection.send({ step: -1 }),
      forth: () => this.place.paused && this.connection.send({ step: 1 }),
      in: () => this.figure.zoom(1.5), out: () => this.figure.zoom(1 / 1.5), fit: () => this.figure.fit(),
      actual: () => this.frame?.image && this.figure.actual(),
      left: () => this.place.paused ? acts.back() : this.figure.nudge(-1, 0), right: () => this.place.paused ? acts.forth() : this.figure.nudge(1, 0),
      up: () => this.figure.nudge(0, -1), down: () => this.figure.nudge(0, 1),
      colours: () => this.choose({ colormap: after(Object.keys(COLORMAPS), settings.colormap) }),
      log: () => this.choose({ log: !settings.log }),
      overlays: () => this.choose({ overlays: !settings.overlays }),
      auto: () => this.choose({ contrast: "auto" }),
      percentile: () => this.choose({ contrast: "percentile" }),
      manual: () => this.choose({ contrast: "manual" }),
      setup: () => {
        choose({ setup: !settings.setup });
        this.showSetup(settings.setup);
        if (settings.setup) this.setup.element.focus();
      },
      region: () => {
        if (!this.setup.open) acts.setup();
        else this.setup.pick();
      },
      png: () => this.ask("png"), tiff: () => this.ask("tiff"), npy: () => this.ask("npy"), view: () => this.ask("view"),
    };
    acts[name]?.();
  }

  /** Save the pulse that is shown; one that came reduced is asked for once more, exact. */
  ask(what) {
    const { frame } = this;
    if (!frame?.image) return;
    this.trouble = "";
    if (what === "view" || what === "png" || frame.image.binning === 1) {
      this.save(what, frame);
    } else {
      this.wanted = { what, seq: frame.seq };
      this.connection.send({ exact: frame.seq });
    }
  }

  async save(what, frame) {
    const { pixels, dtype, columns, rows } = frame.image;
    const name = (ending) => fileName(this.name, frame.pulse, ending);
    const described = JSON.stringify({ stream: this.path, pulse_id: frame.pulse, time: frame.time, unit: frame.unit, x_first: frame.x.first, x_step: frame.x.step, y_first: frame.y.first, y_step: frame.y.step });
    if (what === "npy") keep(npy(pixels, dtype, columns, rows), name("npy"));
    if (what === "tiff") keep(tiff(pixels, dtype, columns, rows, described), name("tif"));
    if (what === "png") keep(await png(pixels, columns, rows, this.table, (value) => placeOf(value, this.limits, settings.log)), name("png"));
    if (what === "view") keep(await this.figure.snapshot(`${this.name}   pulse ${frame.pulse}   ${new Date(frame.time * 1000).toISOString()}`), name("view.png"));
  }
}

function after(list, value) { return list[(list.indexOf(value) + 1) % list.length]; }
