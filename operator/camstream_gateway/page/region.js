// Where the picture that is shown lies in the image that a region of interest counts in. Pure.
//
// A camera bins, mirrors and rotates before it cuts its region out, and so does a pipeline: nothing after the cut moves a pixel.
// So the picture is that image itself, or the part that the region left of it, and only its corner must be known.

export const NO_REGION = "This kind of stream has no region of interest";

/** Path of the region in the spec, or null where there is none. */
export function regionPath(thing) {
  if (thing.kind === "Camera") return "geometry.regionOfInterest";
  return prepares(thing) ? "processing.regionOfInterest" : null;
}

/** Whether a stream is a pipeline of images, with the steps of `spec.processing`. What is at its default is not in a manifest. */
export function prepares({ kind, spec }) { return kind === "Pipeline" && (spec.type ?? "Processing") === "Processing"; }

/**
 * Size of the image from which a pipeline cuts its region.
 * @param image {width, height} of what it reads, or null
 * @returns {width, height}, or null where that is not known
 */
export function wholeImage(thing, image) {
  if (thing.kind === "Camera" || !image?.width || !image?.height) return null;
  const { binning, rotation } = thing.spec.processing ?? {};
  const [width, height] = [Math.floor(image.width / (binning?.sizeX ?? 1)), Math.floor(image.height / (binning?.sizeY ?? 1))];
  const turned = rotation?.mode === "Orthogonal" && Math.trunc((rotation.angle ?? 0) / 90) % 2 !== 0;
  return turned ? { width: height, height: width } : { width, height };
}

/**
 * Place of the upper left pixel of the picture, or why it is not known.
 * @param region of the spec, or null
 * @param picture {width, height} as it is shown
 * @param whole from `wholeImage`
 * @returns {x, y} or {why}
 */
export function corner(thing, region, picture, whole) {
  if (thing.spec.script) return { why: "A script makes this picture; its pixels need not be those of the region" };
  if (!region) {
    const same = !whole || (whole.width === picture.width && whole.height === picture.height);
    return same ? { x: 0, y: 0 } : { why: `The picture (${size(picture)}) is not the whole image (${size(whole)}) yet` };
  }
  if (region.sizeX !== picture.width || region.sizeY !== picture.height) {
    return { why: `The picture (${size(picture)}) is not the region (${region.sizeX}\u00d7${region.sizeY}): it is not there yet, or reaches outside of the image. Clear the region first` };
  }
  // A pipeline moves a region that reaches outside; a camera refuses it.
  if (thing.kind !== "Camera") {
    if (!whole) return { why: "How large its whole image is cannot be told here. Clear the region first" };
    if (region.offsetX + region.sizeX > whole.width || region.offsetY + region.sizeY > whole.height) {
      return { why: "The region reaches outside of the image and was moved. Clear it first" };
    }
  }
  return { x: region.offsetX, y: region.offsetY };
}

/**
 * The region of the pixels that a rectangle of the picture touches.
 * @param from, to {x, y}: any two opposite corners, in pixels of the picture
 * @param start {x, y} from `corner`
 */
export function regionOf(from, to, picture, start) {
  const [left, right] = span(from.x, to.x, picture.width);
  const [top, bottom] = span(from.y, to.y, picture.height);
  return { offsetX: start.x + left, sizeX: right - left, offsetY: start.y + top, sizeY: bottom - top };
}

/** Where a region is in the picture: [left, top, right, bottom] in its pixels. */
export function outlineOf(region, start) {
  const [left, top] = [region.offsetX - start.x, region.offsetY - start.y];
  return [left, top, left + region.sizeX, top + region.sizeY];
}

function span(a, b, length) {
  const low = Math.min(Math.max(Math.floor(Math.min(a, b)), 0), length - 1);
  return [low, Math.min(Math.max(Math.ceil(Math.max(a, b)), low + 1), length)];
}

function size({ width, height }) { return `${width}\u00d7${height}`; }
