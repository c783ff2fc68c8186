import { readFile } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { encode } from "fast-png";
import { describe, expect, it } from "vitest";
import { TritcError } from "../../ir/errors.js";
import { composeGrid } from "../../runtime/node/grid.js";
import { decodePng, encodePng, generationMetadata } from "../../runtime/node/png.js";
import { readWholeText } from "../../runtime/node/png-text.js";
import type { Picture } from "../../runtime/pipeline/picture.js";

function gradient(width: number, height: number, start: number): Picture {
  return {
    width,
    height,
    rgb: Uint8Array.from({ length: width * height * 3 }, (_, i) => (start + i * 7) % 251),
  };
}

describe("PNG", () => {
  it.each([
    [1, 1],
    [5, 3],
    [64, 64],
  ])("keeps %ix%i pixels and metadata, Unicode included", (width, height) => {
    const picture = gradient(width, height, 11);
    const metadata = {
      ...generationMetadata({
        prompt: "ein Kreis über 三角形 🟠",
        seed: 2n ** 60n,
        steps: 50,
        guidance: 3.5,
        size: "64x64",
        given: {},
        bundle: "ab12",
      }),
      latin: "café",
    };
    const back = decodePng(encodePng(picture, metadata));
    expect(back).toEqual({ ...picture, metadata });
    expect(back.metadata.seed).toBe("1152921504606846976");
  });

  it("writes chunks with valid checksums", () => {
    const bytes = Buffer.from(encodePng(gradient(4, 4, 1), { prompt: "○", seed: "1" }));
    const types: string[] = [];
    for (let at = 8; at < bytes.length; ) {
      const length = bytes.readUInt32BE(at);
      types.push(bytes.toString("latin1", at + 4, at + 8));
      expect(bytes.readUInt32BE(at + 8 + length)).toBe(crc32(bytes.subarray(at + 4, at + 8 + length)));
      at += length + 12;
    }
    expect(types).toEqual(["IHDR", "iTXt", "tEXt", "IDAT", "IEND"]);
  });

  it("says without the pixels what a whole file's text is", () => {
    const metadata = { prompt: "○", seed: "1" };
    const bytes = Buffer.from(encodePng(gradient(4, 4, 1), metadata));
    expect(readWholeText(bytes)).toEqual(metadata);
    expect(readWholeText(encodePng(gradient(4, 4, 1)))).toEqual({});
    const damaged = Buffer.from(bytes);
    damaged[bytes.indexOf("seed") + 5] = 0x32;
    const others = [damaged, Buffer.concat([bytes, Buffer.from("\0")]), Buffer.from("torn"), Buffer.alloc(0)];
    for (const other of others) expect(readWholeText(other)).toBeUndefined();
    for (let length = 0; length < bytes.length; length++)
      expect(readWholeText(bytes.subarray(0, length))).toBeUndefined();
  });

  it("reads gray and transparent pictures as RGB over white", () => {
    const gray = encode({ width: 2, height: 1, data: Uint8Array.of(10, 200), channels: 1, depth: 8 });
    expect([...decodePng(gray).rgb]).toEqual([10, 10, 10, 200, 200, 200]);
    const clear = encode({ width: 1, height: 1, data: Uint8Array.of(10, 20, 30, 0), channels: 4, depth: 8 });
    expect([...decodePng(clear).rgb]).toEqual([255, 255, 255]);
  });

  it("reads every depth, palettes, and what lies behind transparency", () => {
    const read = (...of: Parameters<typeof encode>) => [...decodePng(encode(...of), "p", "ignored").rgb];
    const deep = {
      width: 2,
      height: 1,
      depth: 16,
      channels: 1,
      data: Uint16Array.of(0x12ff, 0xff00),
    } as const;
    expect(read(deep)).toEqual([0x12, 0x12, 0x12, 255, 255, 255]);
    const clear = { width: 1, height: 1, channels: 4, depth: 8, data: Uint8Array.of(10, 20, 30, 0) } as const;
    expect(read(clear)).toEqual([10, 20, 30]);
    // Rows of 1, 2 and 4 bits are whole bytes: 10 pixels of one bit are two.
    const bits = {
      width: 10,
      height: 2,
      channels: 1,
      depth: 1,
      data: Uint8Array.of(0x81, 0x40, 0, 0x80),
    } as const;
    const rows = ["1000000101", "0000000010"].join("").split("");
    expect(read(bits)).toEqual(rows.flatMap((bit) => new Array<number>(3).fill(255 * Number(bit))));
    const two = { width: 3, height: 1, channels: 1, depth: 2, data: Uint8Array.of(0b00_01_11_00) } as const;
    expect(read(two)).toEqual([0, 0, 0, 85, 85, 85, 255, 255, 255]);
    const palette: [number, number, number][] = [
      [1, 2, 3],
      [250, 9, 8],
    ];
    const indexed = {
      width: 2,
      height: 1,
      channels: 1,
      depth: 8,
      palette,
      data: Uint8Array.of(1, 0),
    } as const;
    expect(read(indexed)).toEqual([250, 9, 8, 1, 2, 3]);
  });

  it("refuses more pixels than there is memory for, before it makes room for them", () => {
    const huge = Buffer.from(encodePng(gradient(1, 1, 1)));
    huge.writeUInt32BE(60_000, 16);
    huge.writeUInt32BE(60_000, 20);
    expect(() => decodePng(huge)).toThrow(/too large[\s\S]*60000x60000/);
  });

  it("names files that are pictures of another kind", () => {
    const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46);
    expect(() => decodePng(jpeg, "a.jpg")).toThrow(/^a\.jpg[\s\S]*a JPEG: convert it to PNG/);
    expect(() => decodePng(new TextEncoder().encode("RIFF\0\0\0\0WEBPVP8 "))).toThrow(/a WebP/);
  });

  it("refuses damage, other files and bad metadata", async () => {
    const good = encodePng(gradient(8, 8, 5), { seed: "3" });
    const damaged = good.slice();
    damaged[45] = (damaged[45] ?? 0) ^ 0x10;
    expect(() => decodePng(damaged, "a.png")).toThrow(/^a\.png/);
    expect(() => decodePng(good.slice(0, 40))).toThrow(TritcError);
    expect(() => decodePng(new Uint8Array(0))).toThrow(TritcError);
    const json = await readFile("package.json");
    expect(() => decodePng(json)).toThrow(TritcError);
    expect(() => encodePng(gradient(2, 2, 0), { "": "x" })).toThrow(TritcError);
    expect(() => encodePng({ width: 3, height: 2, rgb: new Uint8Array(5) })).toThrow(TritcError);
  });
});

describe("composeGrid", () => {
  it("places pictures row by row with a gap", () => {
    const images = [gradient(8, 6, 1), gradient(8, 6, 50), gradient(8, 6, 99)];
    const sheet = composeGrid(images, 2);
    expect([sheet.width, sheet.height]).toEqual([2 * 12 + 4, 2 * 10 + 4]);
    for (const [i, image] of images.entries()) {
      const left = 4 + (i % 2) * 12;
      const top = 4 + Math.floor(i / 2) * 10;
      for (let y = 0; y < 6; y++) {
        const at = ((top + y) * sheet.width + left) * 3;
        expect(sheet.rgb.slice(at, at + 24)).toEqual(image.rgb.slice(y * 24, (y + 1) * 24));
      }
    }
    expect([...sheet.rgb.slice(0, 3)]).toEqual([232, 232, 232]);
  });

  it("draws labels above, inside their picture's width", () => {
    const white: Picture = { width: 16, height: 4, rgb: new Uint8Array(16 * 4 * 3).fill(255) };
    const sheet = composeGrid([white, white], 2, ["L", "a label too long to fit"]);
    const rows = Array.from({ length: sheet.height }, (_, y) =>
      Array.from({ length: sheet.width }, (_, x) =>
        sheet.rgb[(y * sheet.width + x) * 3] === 40 ? "#" : ".",
      ).join(""),
    );
    expect(rows.map((row) => row.slice(0, 12))).toMatchInlineSnapshot(`
      [
        "............",
        "............",
        "............",
        "............",
        "............",
        "............",
        "....#.......",
        "....#.......",
        "....#.......",
        "....#.......",
        "....###.....",
        "............",
        "............",
        "............",
        "............",
        "............",
        "............",
        "............",
        "............",
        "............",
        "............",
      ]
    `);
    for (const row of rows) expect(row.slice(4 + 16 + 4 + 16)).toMatch(/^\.*$/);
  });

  it("refuses nothing and unequal sizes", () => {
    expect(() => composeGrid([], 2)).toThrow(TritcError);
    expect(() => composeGrid([gradient(2, 2, 0)], 0)).toThrow(TritcError);
    expect(() => composeGrid([gradient(2, 2, 0), gradient(2, 3, 0)], 2)).toThrow(/differ/);
  });
});
