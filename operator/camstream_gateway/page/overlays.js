// What the analysis found, drawn over the image: good region, slices, centre and size of the beam.

// The picture is dark at its edges and bright in the beam, whatever the page around it is.
const DARK = "rgba(0,0,0,0.55)";
const REGION = "#7ee0d0";
const SLICE = "#c9f2ff";
const CHOICE = "#ffffff";
const BEAM = "#ffb454";

/** @param to functions from places in the image to places on the screen */
export function drawOverlays(context, frame, to) {
  const { values, arrays, x, y } = frame;
  const at = { x: (value) => to.x(x.place(value)), y: (value) => to.y(y.place(value)) };
  const region = arrays.good_region;
  if (region?.length === 4) drawRegion(context, [to.x(region[0]), to.y(region[1]), to.x(region[2]), to.y(region[3])]);
  drawSlices(context, frame, at, to);
  if (fitted(values, "x") && fitted(values, "y")) drawBeam(context, values, at);
}

function fitted(values, direction) {
  return Number.isFinite(values[`${direction}_fit_mean`]) && Number.isFinite(values[`${direction}_fit_standard_deviation`])
    && values[`${direction}_fit_converged`] !== false;
}

function drawRegion(context, [left, top, right, bottom]) {
  outline(context, REGION, 1.25, [6, 4], () => context.rect(left, top, right - left, bottom - top));
}

/** A rectangle that somebody chooses: [left, top, right, bottom] in the image. */
export function drawChoice(context, [left, top, right, bottom], to) {
  const [x, y] = [to.x(left), to.y(top)];
  outline(context, CHOICE, 1.5, [], () => context.rect(x, y, to.x(right) - x, to.y(bottom) - y));
}

function drawSlices(context, { values, arrays }, at, to) {
  const amount = values.slice_amount;
  const length = values.slice_length;
  const region = arrays.good_region;
  if (!amount || !Number.isFinite(length) || region?.length !== 4) return;
  const rows = values.slice_orientation === "vertical";
  for (let i = 0; i < amount; i++) {
    const [cx, cy, sigma] = ["center_x", "center_y", "standard_deviation"].map((name) => values[`slice_${i}_${name}`]);
    if (![cx, cy, sigma].every(Number.isFinite)) continue;
    // The edges of the band, and one sigma of its fit.
    outline(context, SLICE, 1, [2, 5], () => {
      for (const side of [-length / 2, length / 2]) {
        if (rows) {
          context.moveTo(to.x(region[0]), at.y(cy + side));
          context.lineTo(to.x(region[2]), at.y(cy + side));
        } else {
          context.moveTo(at.x(cx + side), to.y(region[1]));
          context.lineTo(at.x(cx + side), to.y(region[3]));
        }
      }
    }, 0.6);
    outline(context, SLICE, 1.5, [], () => {
      for (const side of [-sigma, sigma]) {
        const [x, y] = rows ? [at.x(cx + side), at.y(cy)] : [at.x(cx), at.y(cy + side)];
        const [dx, dy] = rows ? [0, 4] : [4, 0];
        context.moveTo(x - dx, y - dy);
        context.lineTo(x + dx, y + dy);
      }
    });
    context.fillStyle = SLICE;
    context.beginPath();
    context.arc(at.x(cx), at.y(cy), 2.5, 0, 2 * Math.PI);
    context.fill();
  }
}

/** Middle and one sigma of the fits. */
function drawBeam(context, values, at) {
  const [x, y] = [at.x(values.x_fit_mean), at.y(values.y_fit_mean)];
  const rx = Math.abs(at.x(values.x_fit_mean + values.x_fit_standard_deviation) - x);
  const ry = Math.abs(at.y(values.y_fit_mean + values.y_fit_standard_deviation) - y);
  outline(context, BEAM, 1.25, [], () => context.ellipse(x, y, rx, ry, 0, 0, 2 * Math.PI));
  outline(context, BEAM, 1.25, [], () => {
    context.moveTo(x - 9, y);
    context.lineTo(x + 9, y);
    context.moveTo(x, y - 9);
    context.lineTo(x, y + 9);
  });
}

/** A line that is seen on dark and on bright. */
function outline(context, colour, width, dash, path, alpha = 1) {
  context.globalAlpha = alpha;
  context.setLineDash(dash);
  for (const [style, w] of [[DARK, width + 1.5], [colour, width]]) {
    context.strokeStyle = style;
    context.lineWidth = w;
    context.beginPath();
    path();
    context.stroke();
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
}
