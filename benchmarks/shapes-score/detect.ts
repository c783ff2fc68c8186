/**
 * Reads a picture of the shapes model: which shapes of which colors stand where. It knows pixels only,
 * nothing of the model, so it scores any way of making the picture alike.
 */
import { bestTemplate, type ShapeClass } from "./templates.js";

export type ColorName = "red" | "green" | "blue" | "yellow" | "purple" | "orange" | "black";

export interface Detection {
  readonly class: ShapeClass;
  readonly color: ColorName;
  /** Center of the bounding box, in pixels. */
  readonly cx: number;
  readonly cy: number;
  /** Intersection over union with the best template. */
  readonly iou: number;
}

/** Connected pixels of a picture and their bounding box [x0, x1) x [y0, y1). */
export interface Component {
  readonly pixels: readonly number[];
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

const COLORS: readonly (readonly [ColorName | "white", number, number, number])[] = [
  ["white", 255, 255, 255],
  ["red", 220, 40, 40],
  ["green", 40, 160, 60],
  ["blue", 45, 80, 220],
  ["yellow", 240, 205, 40],
  ["purple", 140, 60, 180],
  ["orange", 245, 135, 30],
  ["black", 25, 25, 25],
];
const BACKGROUND = 0;

const MIN_PIXELS = 30;
const MIN_ERODED_PIXELS = 9;
const MIN_IOU = 0.6;

/**
 * The shapes of a picture, in row-major order of their first pixels.
 *
 * @param rgb [height, width, 3] bytes
 */
export function readPicture(rgb: Uint8Array, width: number, height: number): Detection[] {
  const colors = nearestColors(rgb, width * height);
  const detections: Detection[] = [];
  for (const component of components(colors, width, height)) {
    if (component.pixels.length < MIN_PIXELS) continue;
    const color = mainColor(component, colors, width, height);
    const { shape, iou } = bestTemplate(component, width, height);
    if (iou <= MIN_IOU || color === "white") continue;
    const cx = (component.x0 + component.x1) / 2;
    const cy = (component.y0 + component.y1) / 2;
    detections.push({ class: shape, color, cx, cy, iou });
  }
  return detections;
}

/** Per pixel the index of the nearest color by squared distance; the first one of equals. */
function nearestColors(rgb: Uint8Array, pixels: number): Uint8Array {
  const nearest = new Uint8Array(pixels);
  for (let i = 0; i < pixels; i++) {
    let best = Number.POSITIVE_INFINITY;
    for (const [index, [, r, g, b]] of COLORS.entries()) {
      const dr = (rgb[i * 3] ?? 0) - r;
      const dg = (rgb[i * 3 + 1] ?? 0) - g;
      const db = (rgb[i * 3 + 2] ?? 0) - b;
      const distance = dr * dr + dg * dg + db * db;
      if (distance >= best) continue;
      best = distance;
      nearest[i] = index;
    }
  }
  return nearest;
}

/** 8-connected components of everything that is not background, all colors together. */
function components(colors: Uint8Array, width: number, height: number): Component[] {
  const seen = new Uint8Array(colors.length);
  const found: Component[] = [];
  for (let start = 0; start < colors.length; start++) {
    if (colors[start] === BACKGROUND || seen[start] === 1) continue;
    const pixels = [start];
    seen[start] = 1;
    let [x0, y0, x1, y1] = [width, height, 0, 0];
    // The list grows while it is walked: it is the queue of the flood fill.
    for (const pixel of pixels) {
      const x = pixel % width;
      const y = Math.floor(pixel / width);
      x0 = Math.min(x0, x);
      y0 = Math.min(y0, y);
      x1 = Math.max(x1, x + 1);
      y1 = Math.max(y1, y + 1);
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const next = ny * width + nx;
          if (colors[next] === BACKGROUND || seen[next] === 1) continue;
          seen[next] = 1;
          pixels.push(next);
        }
      }
    }
    found.push({ pixels, x0, y0, x1, y1 });
  }
  return found;
}

/** The most frequent color inside the component's outline, or in all of it where little is inside. */
function mainColor(
  component: Component,
  colors: Uint8Array,
  width: number,
  height: number,
): ColorName | "white" {
  const members = new Set(component.pixels);
  const inside = component.pixels.filter((pixel) => {
    const x = pixel % width;
    const y = Math.floor(pixel / width);
    const border = x === 0 || y === 0 || x === width - 1 || y === height - 1;
    // A pixel on the picture's border has a neighbour outside it, which belongs to nothing.
    return !border && [-1, 1, -width, width].every((step) => members.has(pixel + step));
  });
  const counts = new Array<number>(COLORS.length).fill(0);
  for (const pixel of inside.length >= MIN_ERODED_PIXELS ? inside : component.pixels) {
    const color = colors[pixel] ?? BACKGROUND;
    counts[color] = (counts[color] ?? 0) + 1;
  }
  return COLORS[counts.indexOf(Math.max(...counts))]?.[0] ?? "white";
}
