// How a number went over the last minutes.

const MOST = 32768; // 20 minutes at 25 Hz

/** The last values of one number with their times [s]. A gap is a NaN. */
export class Series {
  constructor() {
    this.times = new Float64Array(MOST);
    this.values = new Float64Array(MOST);
    this.next = 0;
    this.count = 0;
  }

  add(time, value) {
    const last = this.count ? this.times[(this.next + MOST - 1) % MOST] : -Infinity;
    if (time === last) return;
    if (time < last) this.count = 0; // a clock was set back: what it said before has no place any more
    this.times[this.next] = time;
    this.values[this.next] = value ?? NaN;
    this.next = (this.next + 1) % MOST;
    this.count = Math.min(this.count + 1, MOST);
  }

  /** Time of the oldest value that is kept [s]. */
  get first() { return this.times[(this.next + MOST - this.count) % MOST]; }

  /** Lowest and highest value in each of `columns` equal spans of the time from `start` to `end`, NaN where there is none. */
  columns(start, end, columns) {
    const low = new Float64Array(columns).fill(NaN);
    const high = new Float64Array(columns).fill(NaN);
    for (let i = 1; i <= this.count; i++) {
      const at = (this.next + MOST - i) % MOST;
      if (this.times[at] < start) break;
      const column = Math.floor(((this.times[at] - start) / (end - start)) * columns);
      const value = this.values[at];
      if (column < 0 || column >= columns || Number.isNaN(value)) continue;
      if (!(low[column] <= value)) low[column] = value;
      if (!(high[column] >= value)) high[column] = value;
    }
    return { low, high };
  }
}

/** Draw a trend over the whole of a canvas whose context is in CSS pixels. Returns the range that it shows. */
export function drawTrend(context, series, width, height, start, end, colours) {
  context.clearRect(0, 0, width, height);
  const { low, high } = series.columns(start, end, Math.max(Math.floor(width), 1));
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < low.length; i++) {
    if (low[i] < least) least = low[i];
    if (high[i] > most) most = high[i];
  }
  if (!(least <= most)) return null;
  const range = most - least || Math.abs(most) || 1;
  const pad = 3;
  const y = (value) => (most === least ? height / 2 : pad + ((most - value) / range) * (height - 2 * pad));
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(0, height - 0.5);
  context.lineTo(width, height - 0.5);
  context.stroke();
  context.strokeStyle = colours.curve;
  context.lineWidth = 1.25;
  context.beginPath();
  let last = NaN;
  for (let i = 0; i < low.length; i++) {
    if (Number.isNaN(low[i])) continue;
    // A line across a second without values would claim some.
    if (Number.isNaN(last) || i - last > Math.max(low.length / 60, 6)) context.moveTo(i + 0.5, y(high[i]));
    else context.lineTo(i + 0.5, y(high[i]));
    if (high[i] !== low[i]) context.lineTo(i + 0.5, y(low[i]));
    last = i;
  }
  context.stroke();
  context.fillStyle = colours.fit;
  context.beginPath();
  context.arc(Math.min(last + 0.5, width - 2.5), y((low[last] + high[last]) / 2), 2.5, 0, 2 * Math.PI);
  context.fill();
  return [least, most];
}
