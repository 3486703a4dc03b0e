// Every stream at a glance.

import { colormap } from "./colormaps.js";
import { Connection } from "./connection.js";
import { make, say } from "./dom.js";
import { count, span, write } from "./numbers.js";
import { settings } from "./settings.js";
import { SIGNS, stateOf } from "./state.js";

const PICTURE_MS = 500;

export class Overview {
  constructor() {
    this.tiles = new Map();
    this.told = performance.now();
    this.streams = [];
    this.group = "";
    this.table = colormap(settings.colormap);
    this.search = make("input", { type: "search", placeholder: "Search streams", "aria-label": "Search streams", input: () => this.arrange() });
    this.groups = make("div", { class: "groups", role: "group", "aria-label": "Groups" });
    this.summary = make("p", { class: "summary", role: "status" });
    this.grid = make("div", { class: "tiles" });
    this.element = make("main", { class: "overview" }, make("div", { class: "tools" }, this.search, this.groups, this.summary), this.grid);
    this.seen = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) target.tile.visible = isIntersecting;
    });
    this.connection = new Connection("/ws/streams", {
      text: (told) => this.heard(told),
      frame: () => {},
      state: (words) => { this.connected = words; this.tell(); },
    });
    this.clock = setInterval(() => this.tell(), 500);
    this.pictures = setInterval(() => this.renew(), PICTURE_MS);
    document.title = "camstream";
  }

  close() {
    this.connection.close();
    this.seen.disconnect();
    clearInterval(this.clock);
    clearInterval(this.pictures);
  }

  heard({ streams, problems }) {
    this.streams = streams;
    this.problems = problems;
    this.told = performance.now();
    const paths = new Set();
    for (const stream of streams) {
      const path = pathOf(stream);
      paths.add(path);
      let tile = this.tiles.get(path);
      if (!tile) {
        tile = new Tile(path, stream);
        this.tiles.set(path, tile);
        this.seen.observe(tile.element);
      }
      tile.stream = stream;
    }
    for (const [path, tile] of this.tiles) {
      if (!paths.has(path)) {
        this.seen.unobserve(tile.element);
        tile.element.remove();
        this.tiles.delete(path);
      }
    }
    this.listGroups();
    this.arrange();
    this.tell();
  }

  listGroups() {
    const names = [...new Set(this.streams.flatMap((stream) => stream.groups))].sort();
    const kinds = [...new Set(this.streams.map((stream) => stream.kind))].sort();
    const wanted = ["", ...(kinds.length > 1 ? kinds.map((kind) => `kind:${kind}`) : []), ...names].join("\n");
    if (wanted === this.listed) return;
    this.listed = wanted;
    this.groups.replaceChildren(...wanted.split("\n").map((group) => make("button", {
      type: "button", "aria-pressed": String(group === this.group), click: () => { this.group = group; this.listed = ""; this.listGroups(); this.arrange(); },
    }, group === "" ? "All" : group.startsWith("kind:") ? `${group.slice(5)}s` : group)));
  }

  /** Which tiles are shown, in which order: cameras and what is made of them side by side, by name. */
  arrange() {
    const sought = this.search.value.trim().toLowerCase();
    const wanted = [...this.tiles.values()].filter(({ stream }) => {
      const text = [stream.name, stream.externalName, stream.kind, stream.phase, ...stream.groups].join(" ").toLowerCase();
      const grouped = this.group === "" || this.group === `kind:${stream.kind}` || stream.groups.includes(this.group);
      return grouped && text.includes(sought);
    });
    wanted.sort((a, b) => a.stream.name.localeCompare(b.stream.name) || a.stream.kind.localeCompare(b.stream.kind));
    const now = [...this.grid.children];
    if (wanted.length !== now.length || wanted.some(({ element }, i) => element !== now[i])) this.grid.replaceChildren(...wanted.map(({ element }) => element));
    this.found = wanted.length;
  }

  tell() {
    const since = (performance.now() - this.told) / 1000;
    const levels = { good: 0, warn: 0, bad: 0, off: 0 };
    for (const tile of this.tiles.values()) levels[tile.tell(since, this.connected)] += 1;
    this.element.classList.toggle("stale", Boolean(this.connected));
    const parts = [`${this.streams.length} stream${this.streams.length === 1 ? "" : "s"}`];
    if (levels.good) parts.push(`${levels.good} running`);
    if (levels.warn) parts.push(`${levels.warn} silent or starting`);
    if (levels.bad) parts.push(`${levels.bad} failed`);
    if (levels.off) parts.push(`${levels.off} stopped`);
    if (this.found === 0 && this.streams.length) parts.push("none of them found");
    say(this.summary, this.connected || [...(this.problems ?? []), parts.join(" \u00b7 ")].join(" "));
    this.summary.classList.toggle("warned", Boolean(this.connected || this.problems?.length));
  }

  /** Ask for the small pictures that somebody can see, each when the one before has come. */
  renew() {
    if (document.hidden || this.connected) return;
    for (const tile of this.tiles.values()) if (tile.visible && tile.element.isConnected) tile.renew(this.table);
  }
}

function pathOf(stream) {
  return [stream.kind.toLowerCase(), stream.namespace, stream.name].map(encodeURIComponent).join("/");
}

class Tile {
  constructor(path, stream) {
    this.path = path;
    this.stream = stream;
    this.picture = make("canvas", { class: "thumbnail", width: 4, height: 3 });
    this.pill = make("span", { class: "pill" });
    this.words = make("p", { class: "words" });
    this.facts = make("p", { class: "facts" });
    this.cover = make("span", { class: "cover" });
    this.element = make("a", { class: "tile", href: `#/${path}` },
      make("span", { class: "frame" }, this.picture, this.cover),
      make("span", { class: "title" }, make("strong", {}, stream.name), make("small", {}, stream.kind)), this.pill, this.facts, this.words);
    this.element.tile = this;
  }

  /** Say how the stream is, `since` seconds after it was told. Returns its level. */
  tell(since, connected) {
    const { stream } = this;
    const age = stream.ageSeconds === null ? null : stream.ageSeconds + since;
    const state = connected ? { word: "Unknown", level: "off", words: "", stale: true } : stateOf(stream, age);
    this.element.className = `tile ${state.level}${state.stale ? " stale" : ""}`;
    this.pill.className = `pill ${state.level}`;
    say(this.pill, `${SIGNS[state.level]} ${state.word}`);
    const size = stream.image.size ? `${stream.image.width}\u00d7${stream.image.height}` : "";
    // A dash is for what nobody tells. Only who knows the rate knows, too, that there was no frame.
    const last = age !== null ? `${span(age)} old` : stream.rate === null ? "" : "no frame yet";
    const facts = [`${write(stream.rate, 3)} Hz`, `${count(stream.drops)} dropped`, last, size];
    say(this.facts, facts.filter(Boolean).join(" \u00b7 "));
    say(this.words, state.words);
    say(this.cover, !this.painted ? "no picture" : state.stale ? (age === null ? state.word : `${state.word} for ${span(age)}`) : "");
    this.cover.hidden = this.cover.textContent === "";
    return state.level;
  }

  async renew(table) {
    if (this.busy) return;
    this.busy = true;
    try {
      const answer = await fetch(`/api/streams/${this.path}/preview.png`, { cache: "no-store" });
      const pulse = answer.headers.get("X-Pulse-Id");
      if (answer.status === 200 && pulse !== this.pulse) {
        this.paint(await createImageBitmap(await answer.blob()), table);
        this.pulse = pulse;
      }
    } catch {
      // The state in words says why; the next picture is asked for in half a second.
    } finally {
      this.busy = false;
    }
  }

  paint(bitmap, table) {
    const { width, height } = bitmap;
    if (this.picture.width !== width || this.picture.height !== height) Object.assign(this.picture, { width, height });
    const context = this.picture.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const picture = context.getImageData(0, 0, width, height);
    const out = new Uint32Array(picture.data.buffer);
    const colours = new Uint32Array(table.buffer);
    for (let i = 0; i < out.length; i++) out[i] = colours[out[i] & 255];
    context.putImageData(picture, 0, 0);
    if (!this.painted) this.cover.hidden = true;
    this.painted = true;
  }
}
