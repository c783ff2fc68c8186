import { convertIndexedToRgb, type DecodedPng } from "fast-png";

/** Channels of 8 bits, pixel by pixel: gray, gray with alpha, RGB or RGBA. */
export interface Samples {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly channels: number;
}

/** The samples of any kind of PNG; of 16 bits the upper eight. */
export function samplesOf(png: DecodedPng): Samples {
  const { data, channels, depth, palette } = png;
  if (palette !== undefined) {
    return { data: convertIndexedToRgb({ ...png, palette }), channels: palette[0]?.length ?? 3 };
  }
  if (data instanceof Uint16Array) return { data: Uint8Array.from(data, (value) => value >> 8), channels };
  return { data: depth < 8 ? unpacked(png) : data, channels };
}

/** Gray of 1, 2 or 4 bits, whose rows are whole bytes. */
function unpacked({ data, depth, width, height }: DecodedPng): Uint8Array {
  const rowBytes = Math.ceil((width * depth) / 8);
  const most = 2 ** depth - 1;
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const bit = (i % width) * depth;
    const byte = data[Math.floor(i / width) * rowBytes + (bit >> 3)] ?? 0;
    return (((byte >> (8 - depth - (bit & 7))) & most) * 255) / most;
  });
}
