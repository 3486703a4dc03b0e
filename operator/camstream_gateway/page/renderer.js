// The picture: pixels in their own type in a WebGL2 texture, colours in another, contrast in the shader.

const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
  gl_Position = vec4(2.0 * corner - 1.0, 0.0, 1.0);
}`;

const FRAGMENT = (sampler) => `#version 300 es
precision highp float;
precision highp int;
precision highp ${sampler};
uniform ${sampler} image;
uniform sampler2D colours;
uniform vec4 view;        // part that is shown: left, top, width, height [texels]
uniform vec2 target;      // size of the canvas [screen pixels]
uniform vec2 limits;
uniform float saturation; // values from here on are marked; NaN: none
uniform bool logarithm;
out vec4 colour;

const int MOST = 4;       // values per direction that a screen pixel may stand for

void main() {
  vec2 pixel = view.zw / target;
  vec2 start = view.xy + vec2(gl_FragCoord.x - 0.5, target.y - gl_FragCoord.y - 0.5) * pixel;
  ivec2 size = textureSize(image, 0);
  ivec2 taps = clamp(ivec2(ceil(pixel - 0.01)), ivec2(1), ivec2(MOST));
  float sum = 0.0, largest = -3.4e38;
  for (int j = 0; j < MOST; j++) {
    if (j >= taps.y) break;
    for (int i = 0; i < MOST; i++) {
      if (i >= taps.x) break;
      ivec2 place = ivec2(floor(start + (vec2(i, j) + 0.5) * pixel / vec2(taps)));
      float value = float(texelFetch(image, clamp(place, ivec2(0), size - 1), 0).r);
      sum += value;
      largest = max(largest, value);
    }
  }
  float value = sum / float(taps.x * taps.y);
  if (isnan(value)) { colour = vec4(0.35, 0.35, 0.35, 1.0); return; }
  float t = clamp((value - limits.x) / (limits.y - limits.x), 0.0, 1.0);
  if (logarithm) t = log(1.0 + 1000.0 * t) / log(1001.0);
  colour = texelFetch(colours, ivec2(int(t * 255.0 + 0.5), 0), 0);
  if (largest >= saturation) colour = vec4(1.0, 0.1, 0.45, 1.0);
}`;

// dtype -> [internal format, format, type, sampler]
const FORMATS = (gl) => ({
  uint8: [gl.R8UI, gl.RED_INTEGER, gl.UNSIGNED_BYTE, "usampler2D"],
  uint16: [gl.R16UI, gl.RED_INTEGER, gl.UNSIGNED_SHORT, "usampler2D"],
  int16: [gl.R16I, gl.RED_INTEGER, gl.SHORT, "isampler2D"],
  uint32: [gl.R32UI, gl.RED_INTEGER, gl.UNSIGNED_INT, "usampler2D"],
  int32: [gl.R32I, gl.RED_INTEGER, gl.INT, "isampler2D"],
  float32: [gl.R32F, gl.RED, gl.FLOAT, "sampler2D"],
});

export class Renderer {
  /** Throws an Error in words where the browser cannot do it. */
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, stencil: false, powerPreference: "low-power" });
    if (!this.gl) throw new Error("This browser has no WebGL 2, which the picture needs. Numbers and profiles are shown all the same.");
    this.prepare();
  }

  /** Make everything that lives on the graphics card; again after its context was lost. */
  prepare() {
    const gl = this.gl;
    this.programs = {};
    this.texture = null;
    this.shape = "";
    this.lut = gl.createTexture();
    this.maxSide = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.bindVertexArray(gl.createVertexArray());
  }

  /** @param table RGBA bytes of 256 colours */
  setColours(table) {
    const gl = this.gl;
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.lut);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, table);
    nearest(gl);
  }

  /** @param pixels typed array of width * height, row by row */
  setImage(pixels, dtype, width, height) {
    const gl = this.gl;
    const [internal, format, type, sampler] = FORMATS(gl)[dtype];
    gl.activeTexture(gl.TEXTURE0);
    const shape = `${dtype} ${width}x${height}`;
    if (shape !== this.shape) {
      if (this.texture) gl.deleteTexture(this.texture);
      this.texture = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, this.texture);
      gl.texStorage2D(gl.TEXTURE_2D, 1, internal, width, height);
      nearest(gl);
      this.shape = shape;
      this.sampler = sampler;
    }
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, format, type, pixels);
  }

  /** Draw the part `view` {x, y, width, height} [texels] of the image over the whole canvas. */
  draw(view, [low, high], log, saturation) {
    const gl = this.gl;
    if (!this.texture || gl.isContextLost()) return;
    const program = this.program(this.sampler);
    gl.useProgram(program.program);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.lut);
    gl.uniform1i(program.at.image, 0);
    gl.uniform1i(program.at.colours, 1);
    gl.uniform4f(program.at.view, view.x, view.y, view.width, view.height);
    gl.uniform2f(program.at.target, this.canvas.width, this.canvas.height);
    gl.uniform2f(program.at.limits, low, high);
    gl.uniform1f(program.at.saturation, saturation ?? 3.4e38);
    gl.uniform1i(program.at.logarithm, log ? 1 : 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  program(sampler) {
    return (this.programs[sampler] ??= build(this.gl, sampler));
  }
}

function nearest(gl) {
  // Integer textures know nothing else.
  for (const [name, value] of [
    [gl.TEXTURE_MIN_FILTER, gl.NEAREST], [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
    [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
  ]) gl.texParameteri(gl.TEXTURE_2D, name, value);
}

function build(gl, sampler) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT(sampler)]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`the shader for ${sampler} was refused: ${gl.getProgramInfoLog(program)}`);
  }
  const at = {};
  for (const name of ["image", "colours", "view", "target", "limits", "saturation", "logarithm"]) at[name] = gl.getUniformLocation(program, name);
  return { program, at };
}
