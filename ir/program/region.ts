/** Elements start + Σ iⱼ·strideⱼ, 0 ≤ iⱼ < sizeⱼ, of a buffer. */
export interface Region {
  readonly start: number;
  readonly axes: readonly RegionAxis[];
}

export interface RegionAxis {
  readonly size: number;
  readonly stride: number;
}

/** Different elements of a region's axes; an axis of stride 0 repeats the same ones. */
export function elementsOf(axes: readonly RegionAxis[]): number {
  return axes.reduce((n, { size, stride }) => n * (stride === 0 ? Math.min(size, 1) : size), 1);
}

/** Elements from the first of a region's axes to the end of the last; 0 for none. */
export function extentOf(axes: readonly RegionAxis[]): number {
  if (axes.some(({ size }) => size === 0)) return 0;
  return axes.reduce((end, { size, stride }) => end + (size - 1) * stride, 1);
}

/** Rows [top, bottom) and columns [left, right) of a buffer cut into rows of one pitch. */
interface Rectangle {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** Pieces that a region is cut into at most, and that a buffer's written elements are kept in. */
const MOST_PIECES = 1024;

/**
 * Which elements of a buffer have been written. Most regions are rows of a window, `pitch` apart, or have no gaps: in a
 * buffer cut into rows of that pitch they are rectangles, so that the sizes of a run don't matter.
 */
export class WrittenElements {
  /** Elements from row to row; the first window that is written decides. */
  #pitch = Number.MAX_SAFE_INTEGER;
  #rectangles: Rectangle[] = [];
  /** Something was written in more pieces than can be followed: everything counts as written. */
  #opaque = false;

  write(region: Region): void {
    const axes = ordered(region.axes);
    if (axes === undefined || this.#opaque) return;
    const [pitched] = axes
      .slice(-2)
      .filter(({ stride }) => stride > 1)
      .slice(-1);
    if (pitched !== undefined && this.#pitch === Number.MAX_SAFE_INTEGER) this.#cut(pitched.stride);
    const pieces = this.#pieces(region.start, axes);
    if (pieces === undefined) this.#opaque = true;
    else for (const piece of pieces) this.#add(piece);
  }

  /** Whether all elements of a region were written. */
  covers(region: Region): boolean {
    const axes = ordered(region.axes);
    if (axes === undefined || this.#opaque) return true;
    const length = axes.reduce((sum, { size, stride }) => sum + (size - 1) * stride, 1);
    if (this.#holds(this.#interval(region.start, length))) return true;
    const pieces = this.#pieces(region.start, axes);
    return pieces === undefined || this.#holds(pieces);
  }

  #holds(pieces: readonly Rectangle[]): boolean {
    let left = pieces;
    for (const rectangle of this.#rectangles) {
      if (left.length === 0) return true;
      left = left.flatMap((piece) => without(piece, rectangle));
    }
    return left.length === 0;
  }

  /** Cuts into rows what was one row so far. */
  #cut(pitch: number): void {
    const before = this.#rectangles;
    this.#pitch = pitch;
    this.#rectangles = [];
    for (const { left, right } of before)
      for (const piece of this.#interval(left, right - left)) this.#add(piece);
  }

  /** Elements [start, start + length): a part of a row, whole rows, a part of a row. */
  #interval(start: number, length: number): readonly Rectangle[] {
    const end = start + length;
    const [top, left] = this.#place(start);
    const [last, right] = this.#place(end);
    if (top === last) return [{ top, bottom: top + 1, left, right }];
    const pitch = this.#pitch;
    const whole = left === 0 ? top : top + 1;
    return [
      { top, bottom: top + 1, left, right: pitch },
      { top: whole, bottom: last, left: 0, right: pitch },
      { top: last, bottom: last + 1, left: 0, right },
    ].filter((piece, i) => (i > 0 || left > 0) && piece.top < piece.bottom && piece.left < piece.right);
  }

  #place(element: number): readonly [row: number, column: number] {
    const row = Math.floor(element / this.#pitch);
    return [row, element - row * this.#pitch];
  }

  /** The rectangles of a region; undefined where there are too many. */
  #pieces(start: number, axes: readonly RegionAxis[]): readonly Rectangle[] | undefined {
    const last = axes.at(-1);
    const [outer, width] = last?.stride === 1 ? [axes.slice(0, -1), last.size] : [axes, 1];
    const rows = outer.at(-1);
    // Rows of this buffer's pitch are one rectangle each time that they don't run over the pitch.
    const fits = (from: number) => this.#place(from)[1] + width <= this.#pitch;
    const pitched = rows !== undefined && rows.stride === this.#pitch;
    const bases = startsOf(start, outer.slice(0, -1));
    if (pitched && bases?.every(fits)) {
      return bases.map((from) => {
        const [top, left] = this.#place(from);
        return { top, bottom: top + rows.size, left, right: left + width };
      });
    }
    return startsOf(start, outer)?.flatMap((from) => this.#interval(from, width));
  }

  /** Adds a rectangle, joined with those that it continues. */
  #add(rectangle: Rectangle): void {
    let piece = rectangle;
    for (let i = 0; i < this.#rectangles.length; ) {
      const joined = join(this.#rectangles[i] as Rectangle, piece);
      if (joined === undefined) i++;
      else {
        piece = joined;
        this.#rectangles.splice(i, 1);
        i = 0;
      }
    }
    this.#rectangles.push(piece);
    if (this.#rectangles.length > MOST_PIECES) this.#opaque = true;
  }
}

/** Where each repetition of the innermost elements starts; undefined where there are too many. */
function startsOf(start: number, axes: readonly RegionAxis[]): readonly number[] | undefined {
  if (axes.reduce((count, { size }) => count * size, 1) > MOST_PIECES) return undefined;
  return axes.reduce<readonly number[]>(
    (starts, { size, stride }) =>
      starts.flatMap((from) => Array.from({ length: size }, (_, i) => from + i * stride)),
    [start],
  );
}

/** Axes that move, the longest stride first, neighbours joined that one stride runs through; undefined: no elements. */
function ordered(axes: readonly RegionAxis[]): readonly RegionAxis[] | undefined {
  if (axes.some(({ size }) => !(size > 0))) return undefined;
  const moving = axes.filter(({ size, stride }) => size > 1 && stride !== 0);
  const out: RegionAxis[] = [];
  for (const axis of [...moving].sort((a, b) => b.stride - a.stride)) {
    const outer = out.at(-1);
    if (outer !== undefined && outer.stride === axis.stride * axis.size) {
      out[out.length - 1] = { size: outer.size * axis.size, stride: axis.stride };
    } else out.push(axis);
  }
  return out;
}

/** The parts of `a` outside of `b`. */
function without(a: Rectangle, b: Rectangle): readonly Rectangle[] {
  const [top, bottom] = [Math.max(a.top, b.top), Math.min(a.bottom, b.bottom)];
  const [left, right] = [Math.max(a.left, b.left), Math.min(a.right, b.right)];
  if (top >= bottom || left >= right) return [a];
  return [
    { ...a, bottom: top },
    { ...a, top: bottom },
    { top, bottom, left: a.left, right: left },
    { top, bottom, left: right, right: a.right },
  ].filter((part) => part.top < part.bottom && part.left < part.right);
}

/** Two rectangles as one, where they are side by side or one holds the other. */
function join(a: Rectangle, b: Rectangle): Rectangle | undefined {
  const sameRows = a.top === b.top && a.bottom === b.bottom && a.left <= b.right && b.left <= a.right;
  const sameColumns = a.left === b.left && a.right === b.right && a.top <= b.bottom && b.top <= a.bottom;
  const holds = a.top <= b.top && a.bottom >= b.bottom && a.left <= b.left && a.right >= b.right;
  if (!sameRows && !sameColumns && !holds) return undefined;
  return {
    top: Math.min(a.top, b.top),
    bottom: Math.max(a.bottom, b.bottom),
    left: Math.min(a.left, b.left),
    right: Math.max(a.right, b.right),
  };
}
