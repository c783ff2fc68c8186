/** Pictures side by side on one sheet, with small labels. */
import { TritcError } from "../../ir/errors.js";
import type { Picture } from "../pipeline/picture.js";
import { FONT_HEIGHT, FONT_WIDTH, glyphRows } from "./font.js";

const GAP = 4;
const LABEL_MARGIN = 2;
const INK = 40;
/** Light gray: the pictures' own background is often white. */
const PAPER = 232;

/**
 * Lays pictures of one size out row by row on light gray, `columns` to a row; a label stands above its picture,
 * in capitals, cut where the picture ends.
 */
export function composeGrid(
  images: readonly Picture[],
  columns: number,
  labels: readonly string[] = [],
): Picture {
  const [first] = images;
  if (first === undefined || !Number.isInteger(columns) || columns < 1) {
    throw gridError(
      "a grid needs pictures and columns",
      "at least 1 of each",
      `${images.length}, ${columns}`,
    );
  }
  const { width, height } = first;
  const odd = images.find((image) => image.width !== width || image.height !== height);
  if (odd !== undefined) {
    throw gridError("the pictures differ in size", `${width}x${height}`, `${odd.width}x${odd.height}`);
  }
  // Larger pictures get larger letters, so that a sheet reads alike at any size.
  const scale = Math.max(1, Math.round(width / 256));
  const labelHeight = labels.some((label) => label !== "") ? (FONT_HEIGHT + 2 * LABEL_MARGIN) * scale : 0;
  const across = Math.min(columns, images.length);
  const down = Math.ceil(images.length / across);
  const sheet: Picture & { readonly rgb: Uint8Array } = {
    width: across * (width + GAP) + GAP,
    height: down * (height + labelHeight + GAP) + GAP,
    rgb: new Uint8Array(
      (across * (width + GAP) + GAP) * (down * (height + labelHeight + GAP) + GAP) * 3,
    ).fill(PAPER),
  };
  for (const [i, image] of images.entries()) {
    const left = GAP + (i % across) * (width + GAP);
    const top = GAP + Math.floor(i / across) * (height + labelHeight + GAP);
    drawLabel(sheet, labels[i] ?? "", left, top + LABEL_MARGIN * scale, width, scale);
    for (let y = 0; y < height; y++) {
      const row = image.rgb.subarray(y * width * 3, (y + 1) * width * 3);
      sheet.rgb.set(row, ((top + labelHeight + y) * sheet.width + left) * 3);
    }
  }
  return sheet;
}

function drawLabel(
  sheet: Picture,
  label: string,
  left: number,
  top: number,
  width: number,
  scale: number,
): void {
  const advance = (FONT_WIDTH + 1) * scale;
  const letters = Array.from(label).slice(0, Math.floor(width / advance));
  for (const [i, letter] of letters.entries()) {
    const rows = glyphRows(letter);
    for (let y = 0; y < FONT_HEIGHT * scale; y++) {
      const bits = rows[Math.floor(y / scale)] ?? 0;
      for (let x = 0; x < FONT_WIDTH * scale; x++) {
        if (((bits >> (FONT_WIDTH - 1 - Math.floor(x / scale))) & 1) === 0) continue;
        const at = ((top + y) * sheet.width + left + i * advance + x) * 3;
        sheet.rgb.fill(INK, at, at + 3);
      }
    }
  }
}

function gridError(message: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_GRID",
    message,
    expected,
    found,
    remedy: "pass at least one picture, all of one size, and a whole number of columns",
  });
}
