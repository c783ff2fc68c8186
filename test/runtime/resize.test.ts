import { describe, expect, it } from "vitest";
import { resizeLanczos } from "../../runtime/pipeline/resize.js";

/** Random pixels, 9x5, and the red channel that Pillow's Image.resize(..., LANCZOS) makes of them. */
const PIXELS = [
  33, 135, 234, 107, 222, 166, 200, 222, 32, 4, 7, 246, 68, 218, 108, 73, 190, 163, 70, 29, 203, 234, 103,
  154, 248, 154, 226, 170, 65, 121, 12, 199, 133, 42, 131, 164, 187, 170, 80, 183, 108, 27, 79, 234, 0, 90,
  86, 234, 8, 202, 52, 237, 24, 194, 66, 220, 23, 98, 148, 184, 10, 159, 17, 235, 172, 9, 88, 3, 42, 116, 206,
  6, 156, 97, 50, 204, 36, 124, 239, 111, 218, 239, 136, 191, 184, 79, 37, 124, 240, 132, 216, 230, 10, 242,
  173, 16, 59, 29, 115, 172, 119, 181, 112, 1, 0, 48, 232, 37, 67, 155, 163, 212, 46, 8, 227, 74, 37, 178,
  185, 251, 52, 186, 57, 89, 249, 48, 220, 200, 86, 49, 204, 245, 235, 99, 203,
];
const PILLOW = [
  {
    width: 4,
    height: 7,
    red: [
      [103, 84, 58, 231],
      [88, 115, 81, 144],
      [54, 134, 114, 127],
      [65, 125, 130, 214],
      [161, 174, 153, 121],
      [193, 186, 128, 109],
      [162, 165, 97, 172],
    ],
  },
  {
    width: 9,
    height: 3,
    red: [
      [83, 59, 132, 77, 109, 77, 75, 134, 255],
      [145, 90, 22, 236, 161, 95, 144, 133, 185],
      [139, 211, 192, 192, 131, 75, 204, 84, 148],
    ],
  },
  {
    width: 13,
    height: 5,
    red: [
      [29, 55, 147, 206, 75, 0, 68, 84, 56, 78, 200, 255, 245],
      [184, 92, 0, 31, 137, 209, 183, 102, 82, 84, 0, 115, 255],
      [61, 96, 71, 4, 163, 221, 88, 92, 134, 159, 192, 226, 241],
      [242, 220, 160, 123, 170, 250, 242, 95, 82, 177, 140, 71, 44],
      [55, 136, 236, 229, 211, 136, 52, 50, 163, 213, 65, 122, 255],
    ],
  },
  // Pillow 13: rows first.
  {
    width: 13,
    height: 3,
    red: [
      [87, 62, 74, 131, 99, 80, 109, 91, 68, 76, 107, 201, 255],
      [148, 130, 57, 14, 160, 247, 161, 99, 109, 146, 132, 157, 190],
      [132, 177, 216, 193, 195, 182, 131, 67, 129, 203, 107, 101, 157],
    ],
  },
  // Pillow 13: columns first, as twice as many go of rows as of columns.
  {
    width: 8,
    height: 3,
    red: [
      [75, 77, 118, 87, 97, 68, 119, 248],
      [146, 57, 89, 233, 104, 125, 139, 179],
      [147, 209, 194, 173, 78, 171, 117, 133],
    ],
  },
  // Pillow 13: rows first.
  {
    width: 8,
    height: 2,
    red: [
      [100, 60, 101, 142, 101, 85, 129, 227],
      [150, 153, 155, 206, 87, 160, 126, 146],
    ],
  },
];

describe("resizing", () => {
  const picture = { width: 9, height: 5, rgb: Uint8Array.from(PIXELS) };

  it.each(PILLOW)("to $width x $height is Pillow's", ({ width, height, red }) => {
    const { rgb } = resizeLanczos(picture, width, height);
    expect(rgb).toHaveLength(width * height * 3);
    expect([...rgb].filter((_, i) => i % 3 === 0)).toEqual(red.flat());
  });

  it("to its own size is the picture itself", () => {
    expect(resizeLanczos(picture, 9, 5)).toBe(picture);
  });

  it("keeps one color", () => {
    const flat = { width: 40, height: 30, rgb: new Uint8Array(40 * 30 * 3).fill(201) };
    expect(new Set(resizeLanczos(flat, 7, 64).rgb)).toEqual(new Set([201]));
  });
});
