/** An 8-bit picture, row-major RGB. */
export interface Picture {
  readonly rgb: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Side, in pixels, of the tiles that it was decoded in; absent where it was decoded as a whole. */
  readonly tilePixels?: number;
}
