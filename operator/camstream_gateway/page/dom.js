// Elements without markup in texts: nothing here is ever parsed as HTML.

/** Make an element: properties are set, functions become listeners, `class`, `data-` and `aria-` become attributes. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name === "class" || name === "for" || name === "role" || name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Change a text only where it differs: the browser need not lay it out anew. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A canvas as sharp as the screen. Returns its context in units of CSS pixels. */
export function sharpen(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.max(Math.round(width * ratio), 1), Math.max(Math.round(height * ratio), 1)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** Colours of the style sheet, for what is drawn. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(
    ["text", "quiet", "line", "panel", "curve", "fit", "bad"].map((name) => [
      name, style.getPropertyValue(`--${name}`).trim(),
    ]),
  );
}
