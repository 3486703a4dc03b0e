// Colour maps, made from a few points in OKLab (Ottosson 2020, public domain): lightness rises evenly from dark to bright, so that equal
// steps of the value look equal. "dusk" runs from blue to yellow only, which all common kinds of colour blindness tell apart.

const MAPS = {
  dusk: { label: "Dusk", light: [0.1, 0.96], path: [[0.0, -0.03], [0.0, -0.1], [-0.005, -0.085], [0.0, -0.02], [0.0, 0.06], [-0.005, 0.125], [-0.02, 0.13]] },
  ember: { label: "Ember", light: [0.06, 0.98], path: [[0.0, -0.01], [0.05, -0.07], [0.12, -0.03], [0.16, 0.06], [0.11, 0.13], [0.02, 0.15], [-0.01, 0.06]] },
  lagoon: { label: "Lagoon", light: [0.18, 0.94], path: [[0.05, -0.1], [0.01, -0.12], [-0.04, -0.07], [-0.09, 0.0], [-0.13, 0.08], [-0.1, 0.15], [-0.03, 0.17]] },
  grey: { label: "Grey", light: [0.0, 1.0], path: [[0, 0], [0, 0]] },
  ink: { label: "Ink (grey, inverted)", light: [1.0, 0.0], path: [[0, 0], [0, 0]] },
};

export const COLORMAPS = { ...Object.fromEntries(Object.entries(MAPS).map(([name, map]) => [name, map.label])), rainbow: "Rainbow (misleads)" };
export const DEFAULT_COLORMAP = "dusk";

/** 256 colours as RGBA bytes, shape (256, 4). */
export function colormap(name) {
  const table = new Uint8Array(1024);
  for (let i = 0; i < 256; i++) {
    const t = i / 255;
    const rgb = name === "rainbow" ? rainbow(t) : fromOklab(...along(MAPS[name] ?? MAPS[DEFAULT_COLORMAP], t));
    for (let k = 0; k < 3; k++) table[4 * i + k] = Math.round(255 * Math.min(Math.max(rgb[k], 0), 1));
    table[4 * i + 3] = 255;
  }
  return table;
}

function along({ light, path }, t) {
  const place = t * (path.length - 1);
  const i = Math.min(Math.floor(place), path.length - 2);
  const [before, from, to, after] = [path[Math.max(i - 1, 0)], path[i], path[i + 1], path[Math.min(i + 2, path.length - 1)]];
  const u = place - i;
  // Catmull and Rom: smooth through all points.
  const smooth = (k) => 0.5 * (2 * from[k] + (to[k] - before[k]) * u
    + (2 * before[k] - 5 * from[k] + 4 * to[k] - after[k]) * u * u + (3 * from[k] - before[k] - 3 * to[k] + after[k]) * u * u * u);
  return [light[0] + (light[1] - light[0]) * t, smooth(0), smooth(1)];
}

function fromOklab(lightness, a, b) {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((c) => (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055));
}

function rainbow(t) {
  const ramp = (middle) => Math.min(Math.max(1.5 - Math.abs(4 * t - middle), 0), 1);
  return [ramp(3), ramp(2), ramp(1)];
}
