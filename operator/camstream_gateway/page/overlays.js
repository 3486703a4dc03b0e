// What the analysis found, drawn over the image: good region, slices, centre and size of the beam.

const DARK = "rgba(0,0,0,0.65)";

/** @param to functions from places in the image to places on the screen */
export function drawOverlays(context, frame, to, colours) {
  const { values, arrays, x, y } = frame;
  const at = { x: (value) => to.x(x.place(value)), y: (value) => to.y(y.place(value)) };
  const region = arrays.good_region;
  if (region?.length === 4) drawRegion(context, [to.x(region[0]), to.y(region[1]), to.x(region[2]), to.y(region[3])], colours);
  drawSlices(context, frame, at, to, colours);
  if (fitted(values, "x") && fitted(values, "y")) drawBeam(context, values, at, colours);
}

function fitted(values, direction) {
  return Number.isFinite(values[`${direction}_fit_mean`]) && Number.isFinite(values[`${direction}_fit_standard_deviation`])
    && values[`${direction}_fit_converged`] !== false;
}

function drawRegion(context, [left, top, right, bottom], colours) {
  outline(context, colours.region, 1.5, [6, 4], () => context.rect(left, top, right - left, bottom - top));
}

function drawSlices(context, { values, arrays }, at, to, colours) {
  const amount = values.slice_amount;
  const length = values.slice_length;
  const region = arrays.good_region;
  if (!amount || !Number.isFinite(length) || region?.length !== 4) return;
  const rows = values.slice_orientation === "vertical";
  for (let i = 0; i < amount; i++) {
    const [cx, cy, sigma] = ["center_x", "center_y", "standard_deviation"].map((name) => values[`slice_${i}_${name}`]);
    if (![cx, cy, sigma].every(Number.isFinite)) continue;
    outline(context, colours.slice, 1, [], () => {
      if (rows) {
        for (const edge of [cy - length / 2, cy + length / 2]) {
          context.moveTo(to.x(region[0]), at.y(edge));
          context.lineTo(to.x(region[2]), at.y(edge));
        }
      } else {
        for (const edge of [cx - length / 2, cx + length / 2]) {
          context.moveTo(at.x(edge), to.y(region[1]));
          context.lineTo(at.x(edge), to.y(region[3]));
        }
      }
    }, 0.55);
    outline(context, colours.slice, 2, [], () => {
      const [x0, y0, x1, y1] = rows ? [cx - sigma, cy, cx + sigma, cy] : [cx, cy - sigma, cx, cy + sigma];
      context.moveTo(at.x(x0), at.y(y0));
      context.lineTo(at.x(x1), at.y(y1));
    });
    context.fillStyle = colours.slice;
    context.beginPath();
    context.arc(at.x(cx), at.y(cy), 3, 0, 2 * Math.PI);
    context.fill();
  }
}

/** Middle and one sigma of the fits. */
function drawBeam(context, values, at, colours) {
  const [x, y] = [at.x(values.x_fit_mean), at.y(values.y_fit_mean)];
  const rx = Math.abs(at.x(values.x_fit_mean + values.x_fit_standard_deviation) - x);
  const ry = Math.abs(at.y(values.y_fit_mean + values.y_fit_standard_deviation) - y);
  outline(context, colours.fit, 1.5, [], () => context.ellipse(x, y, rx, ry, 0, 0, 2 * Math.PI));
  outline(context, colours.fit, 1.5, [], () => {
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
  for (const [style, w] of [[DARK, width + 2], [colour, width]]) {
    context.strokeStyle = style;
    context.lineWidth = w;
    context.beginPath();
    path();
    context.stroke();
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
}
