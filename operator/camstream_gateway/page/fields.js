// The fields of the panel "Set up". Each knows one path of the spec, shows its value and takes a new one.

import { at, written } from "./changes.js";
import { make, say } from "./dom.js";

const SIDES = [["offsetX", "x"], ["offsetY", "y"], ["sizeX", "width"], ["sizeY", "height"]];
const OFF = "off";
const NEWEST = "newest";

class Field {
  /** @param on {changed()} */
  constructor(path, label, on) {
    Object.assign(this, { path, label, on });
    this.wrong = make("p", { class: "wrong", role: "alert", hidden: true });
  }

  /** What the spec says, in the form of `value`. */
  of(spec) { return at(spec, this.path); }

  /** Whether something else is wanted than the spec says; what cannot be read is something else. */
  differs(spec) { return this.problem() !== "" || JSON.stringify(this.value()) !== JSON.stringify(this.of(spec)); }

  /** What keeps the value from being sent, in words. */
  problem() { return ""; }

  write(value) { return written(value); }

  complain(words) {
    say(this.wrong, words);
    this.wrong.hidden = words === "";
    for (const input of this.inputs) input.setAttribute("aria-invalid", String(words !== ""));
  }
}

function number(label, on, extra = {}) {
  const input = make("input", { type: "number", step: "any", input: () => on.changed(), ...extra });
  return [input, make("label", { class: "choice short" }, make("span", {}, label), input)];
}

function read(input) { return input.value === "" ? null : input.valueAsNumber; }

export class NumberField extends Field {
  constructor(path, label, hint, on) {
    super(path, label, on);
    const [input, element] = number(label, on, { placeholder: "none", title: hint });
    this.inputs = [input];
    this.element = make("div", { class: "field" }, element, this.wrong);
  }

  show(value) { this.inputs[0].value = value ?? ""; }

  value() { return read(this.inputs[0]); }

  problem() { return this.inputs[0].validity.badInput ? "A number is expected, or nothing" : ""; }
}

export class CheckField extends Field {
  constructor(path, label, hint, on) {
    super(path, label, on);
    const input = make("input", { type: "checkbox", change: () => on.changed() });
    this.inputs = [input];
    this.element = make("div", { class: "field" }, make("label", { class: "check", title: hint }, input, label), this.wrong);
  }

  show(value) { this.inputs[0].checked = Boolean(value); }

  value() { return this.inputs[0].checked; }

  of(spec) { return Boolean(super.of(spec)); }
}

export class RegionField extends Field {
  /** @param on {changed(), pick()}: a rectangle shall be dragged, or no longer */
  constructor(path, on) {
    super(path, "Region of interest", on);
    const made = SIDES.map(([, label]) => number(label, on, { placeholder: "all" }));
    this.inputs = made.map(([input]) => input);
    this.pick = make("button", { type: "button", "aria-pressed": "false", title: "Drag a rectangle on the picture (r)", click: () => on.pick() }, "Drag on the picture");
    this.clear = make("button", { type: "button", title: "The whole image", click: () => { this.show(null); on.changed(); } }, "Clear");
    this.why = make("p", { class: "caption" });
    this.element = make("fieldset", { class: "field" }, make("legend", {}, this.label, " [pixel]"),
      make("div", { class: "sides" }, ...made.map(([, element]) => element)), make("div", { class: "buttons" }, this.pick, this.clear), this.why, this.wrong);
  }

  show(value) { SIDES.forEach(([name], i) => { this.inputs[i].value = value?.[name] ?? ""; }); }

  value() {
    const found = Object.fromEntries(SIDES.map(([name], i) => [name, read(this.inputs[i])]));
    return Object.values(found).every((side) => side === null) ? null : found;
  }

  of(spec) {
    const found = super.of(spec);
    return found && Object.fromEntries(SIDES.map(([name]) => [name, found[name]]));
  }

  problem() {
    const given = this.inputs.filter((input) => input.value !== "" || input.validity.badInput);
    if (given.some((input) => input.validity.badInput)) return "Numbers of pixels are expected";
    return given.length % SIDES.length ? "All four numbers are needed, or none for the whole image" : "";
  }

  write(value) { return value ? SIDES.map(([name, label]) => `${label} ${value[name]}`).join(", ") : "whole image"; }

  /** Whether a rectangle can be dragged, or why not. */
  offer(why, active) {
    this.pick.disabled = why !== "";
    this.pick.setAttribute("aria-pressed", String(active));
    say(this.why, why ? `Dragging is not offered: ${why}.` : active ? "Drag a rectangle on the picture; Esc leaves it." : "");
  }
}

export class BackgroundField extends Field {
  constructor(path, on) {
    super(path, "Background", on);
    const select = make("select", { change: () => on.changed() });
    this.inputs = [select];
    this.element = make("div", { class: "field" }, make("label", { class: "choice" }, make("span", {}, "Subtract the background"), select), this.wrong);
    this.list([]);
  }

  /** @param ids that there are, the oldest first */
  list(ids) {
    const [select] = this.inputs;
    const chosen = select.value || OFF;
    const options = [[OFF, "none"], [NEWEST, "the newest one when this is applied"], ...[...ids].reverse().map((id) => [`id:${id}`, id])];
    select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
    this.choose(chosen);
  }

  choose(value) {
    const [select] = this.inputs;
    // One of another camera, or of another installation, is shown all the same.
    if (![...select.options].some((option) => option.value === value)) select.append(make("option", { value }, value.slice("id:".length)));
    select.value = value;
  }

  show(value) { this.choose(value === null ? OFF : value.name === null ? NEWEST : `id:${value.name}`); }

  value() {
    const { value } = this.inputs[0];
    return value === OFF ? null : { name: value === NEWEST ? null : value.slice("id:".length) };
  }

  of(spec) {
    const found = super.of(spec);
    return found && { name: found.name ?? null };
  }

  write(value) { return value === null ? "none" : value.name ?? "the newest one"; }
}
