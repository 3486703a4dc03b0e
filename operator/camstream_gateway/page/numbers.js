// How numbers are written and where ticks stand.

const MINUS = "\u2212";
const THIN = "\u202f";

/** A number with about four figures, steady in width while its size stays the same. */
export function write(value, figures = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "\u2013";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e6 || size < 1e-3) {
    const exponent = Math.floor(Math.log10(size));
    return `${sign(value)}${(size / 10 ** exponent).toFixed(figures - 1)}${THIN}\u00d7${THIN}10${superscript(exponent)}`;
  }
  const digits = Math.max(figures - 1 - Math.max(Math.floor(Math.log10(size)), 0), 0);
  return `${sign(value)}${group(size.toFixed(Math.min(digits, 6)))}`;
}

/** A whole number with thin spaces between thousands. */
export function count(value) {
  return value === null || value === undefined ? "\u2013" : `${sign(value)}${group(String(Math.abs(value)))}`;
}

/** A time span in words: 0.4 s, 12 s, 5 min, 3 h. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "\u2013";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** Round values between two ends, about `wanted` of them, and how many decimals they need. */
export function ticks(low, high, wanted) {
  const range = Math.abs(high - low);
  if (!(range > 0)) return { values: [low], decimals: 0 };
  const rough = range / Math.max(wanted, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const values = [];
  for (let i = Math.ceil(Math.min(low, high) / step); i * step <= Math.max(low, high) + 1e-9 * range; i++) values.push(i * step);
  return { values, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

export function tickText(value, decimals) {
  return `${sign(Number(value.toFixed(decimals)))}${group(Math.abs(value).toFixed(decimals))}`;
}

function sign(value) { return value < 0 ? MINUS : ""; }

function group(text) {
  const [whole, part] = text.split(".");
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, THIN) : whole;
  return part === undefined ? grouped : `${grouped}.${part}`;
}

function superscript(number) {
  return String(number).replace(/./g, (c) => "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"["0123456789".indexOf(c)] ?? "\u207b");
}
