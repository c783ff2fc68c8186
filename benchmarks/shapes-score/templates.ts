/** The five shapes as signed distances: a pixel center (x, y) off the shape's center is inside where d < 0. */
import type { Component } from "./detect.js";

export type ShapeClass = "circle" | "square" | "triangle" | "cross" | "ring";

interface Template {
  readonly shape: ShapeClass;
  /** Radius of the shape whose bounding box is 2w wide. */
  readonly radius: (w: number) => number;
  readonly distance: (x: number, y: number, r: number) => number;
}

const TEMPLATES: readonly Template[] = [
  {
    shape: "circle",
    radius: (w) => w,
    distance: (x, y, r) => Math.hypot(x, y) - r,
  },
  {
    shape: "square",
    radius: (w) => w / 0.86,
    distance: (x, y, r) => Math.max(Math.abs(x), Math.abs(y)) - 0.86 * r,
  },
  {
    shape: "triangle",
    radius: (w) => w / 0.996,
    distance: (x, y, r) => {
      const big = 1.15 * r;
      const down = y - 0.4255 * r + 0.12 * big;
      return Math.max(down - 0.5 * big, 0.866 * Math.abs(x) - 0.5 * down - 0.5 * big);
    },
  },
  {
    shape: "cross",
    radius: (w) => w,
    distance: (x, y, r) => {
      const ax = Math.abs(x);
      const ay = Math.abs(y);
      return Math.min(Math.max(ax - r, ay - 0.3 * r), Math.max(ax - 0.3 * r, ay - r));
    },
  },
  {
    shape: "ring",
    radius: (w) => w / 0.99,
    distance: (x, y, r) => Math.abs(Math.hypot(x, y) - 0.72 * r) - 0.27 * r,
  },
];

const SCALES = [1, 0.9, 1.1];

/** The shape, at three sizes around the component's own, that overlaps a component best. */
export function bestTemplate(
  component: Component,
  width: number,
  height: number,
): { readonly shape: ShapeClass; readonly iou: number } {
  const { pixels, x0, y0, x1, y1 } = component;
  const half = Math.max(x1 - x0, y1 - y0) / 2;
  const cx = (x0 + x1) / 2;
  const cy = (y0 + y1) / 2;
  let best: { shape: ShapeClass; iou: number } = { shape: "circle", iou: -1 };
  for (const { shape, radius, distance } of TEMPLATES) {
    for (const scale of SCALES) {
      const r = radius(half) * scale;
      const inside = (pixel: number): boolean => {
        const y = Math.floor(pixel / width);
        return distance((pixel % width) + 0.5 - cx, y + 0.5 - cy, r) < 0;
      };
      let area = 0;
      for (let pixel = 0; pixel < width * height; pixel++) if (inside(pixel)) area++;
      const overlap = pixels.filter(inside).length;
      const iou = overlap / (area + pixels.length - overlap);
      if (iou > best.iou) best = { shape, iou };
    }
  }
  return best;
}
