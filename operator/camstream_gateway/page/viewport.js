// Which part of the image is shown: a zoom of at least 1, and the middle of the part in parts of the image. Pure.

const MOST_ZOOM = 64;

export class Viewport {
  constructor() { this.fit(); }

  fit() {
    this.zoom = 1;
    this.x = 0.5;
    this.y = 0.5;
  }

  /** Zoom by a factor, keeping the point (u, v) of the plot (0 to 1 each) where it is. */
  zoomAt(factor, u, v) {
    const zoom = Math.min(Math.max(this.zoom * factor, 1), MOST_ZOOM);
    const kept = 1 / this.zoom - 1 / zoom;
    this.x += (u - 0.5) * kept;
    this.y += (v - 0.5) * kept;
    this.zoom = zoom;
    this.clamp();
  }

  /** Move by parts of the plot. */
  pan(du, dv) {
    this.x += du / this.zoom;
    this.y += dv / this.zoom;
    this.clamp();
  }

  clamp() {
    const half = 0.5 / this.zoom;
    this.x = Math.min(Math.max(this.x, half), 1 - half);
    this.y = Math.min(Math.max(this.y, half), 1 - half);
  }

  /** The part that is shown, in pixels of an image of this size. */
  part(width, height) {
    return { x: (this.x - 0.5 / this.zoom) * width, y: (this.y - 0.5 / this.zoom) * height, width: width / this.zoom, height: height / this.zoom };
  }
}
