/** A size in pixels. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** Rows and columns of image tokens. */
export interface TokenGrid {
  readonly rows: number;
  readonly columns: number;
}

/** What becomes of a picture before it is encoded: it is scaled, then its middle is cut out. */
export interface ReferenceFit {
  readonly scaled: PictureSize;
  readonly cut: PictureSize;
}

/** How a model reads pictures that it draws after: as tokens behind those of the picture itself. */
export interface ReferenceRules {
  /** The most pictures it takes. */
  readonly most: number;
  /** Whether the picture is drawn as large as the first of them where nobody says otherwise. */
  readonly firstSaysSize: boolean;
  /** Whether pictures are scaled to sizes that the model was trained at, unless a caller forbids it. */
  readonly scales: boolean;
  /**
   * Whether pipelines of a class let references attend to themselves alone, so that their keys and values are computed once; where
   * that is absent or false, they are tokens behind those of the picture.
   */
  cachedBy?(className: string): boolean;
  /** What memory is planned for: the largest that a picture is scaled to. */
  readonly largest: PictureSize;
  /** What stands on the first axis of the positions of picture `index`. */
  time(index: number): number;
  /**
   * @param pixelsPerToken sides are multiples of it
   * @param resize whether the picture may be scaled to a size that the model was trained at
   * @returns undefined for a picture that the model does not take
   */
  fit(picture: PictureSize, pixelsPerToken: number, resize: boolean): ReferenceFit | undefined;
  /** Which pictures `fit` takes, for messages. */
  readonly takes: string;
}

/** A size whose sides are multiples of some number of pixels, at most the given one. */
export function floorTo(multiple: number, { width, height }: PictureSize): PictureSize {
  return {
    width: Math.floor(width / multiple) * multiple,
    height: Math.floor(height / multiple) * multiple,
  };
}

/** [tokens, axes] positions (time, row, column, 0, …) of the tokens of each grid, one grid after the other. */
export function gridIds(
  grids: readonly (TokenGrid & { readonly time: number })[],
  axes: number,
): Float32Array {
  const tokens = grids.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const ids = new Float32Array(tokens * axes);
  let at = 0;
  for (const { rows, columns, time } of grids) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        ids.set([time, row, column], at);
        at += axes;
      }
    }
  }
  return ids;
}
