/** Size of a picture in pixels. */
export interface Resolution {
  readonly width: number;
  readonly height: number;
}

export function printResolution({ width, height }: Resolution): string {
  return `${width}x${height}`;
}

/** Image tokens of a picture. `pixelsPerToken`: along each side. */
export function imageTokens({ width, height }: Resolution, pixelsPerToken: number): number {
  return Math.ceil(width / pixelsPerToken) * Math.ceil(height / pixelsPerToken);
}

/** The square picture of side² image tokens. */
export function squareOf(side: number, pixelsPerToken: number): Resolution {
  return { width: side * pixelsPerToken, height: side * pixelsPerToken };
}
