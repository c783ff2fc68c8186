import { describe, expect, it } from "vitest";
import { TritcError } from "../../ir/errors.js";
import {
  imageIds,
  latentGeometry,
  packLatents,
  textIds,
  unpackLatents,
} from "../../ir/models/flux1/latents.js";
import { initialLatents, makeNoise } from "../../runtime/noise.js";

describe("latent packing", () => {
  it.each([
    [64, 64],
    [48, 80],
    [16, 160],
  ])("puts channel c, row dy, column dx of a %ix%i picture at c*4 + dy*2 + dx", (height, width) => {
    const geometry = latentGeometry(height, width);
    const latents = makeNoise(3, geometry.imageTokens * 64);
    const packed = packLatents(latents, geometry);
    // diffusers: view(C, h/2, 2, w/2, 2).permute(h/2, w/2, C, 2, 2), by nested loops.
    let at = 0;
    for (let row = 0; row < height / 16; row++)
      for (let column = 0; column < width / 16; column++)
        for (let c = 0; c < 16; c++)
          for (let dy = 0; dy < 2; dy++)
            for (let dx = 0; dx < 2; dx++) {
              const from = (c * (height / 8) + row * 2 + dy) * (width / 8) + column * 2 + dx;
              expect(packed[at++]).toBe(latents[from]);
            }
    expect(at).toBe(packed.length);
    expect(unpackLatents(packed, geometry)).toEqual(latents);
    expect(initialLatents(3, geometry)).toEqual(packed);
  });

  it("numbers tokens by row and column, and text by zeros", () => {
    expect([...imageIds(latentGeometry(32, 48))]).toEqual([
      0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 1, 0, 0, 1, 1, 0, 1, 2,
    ]);
    expect([...textIds(2)]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it("refuses sizes that do not divide, and latents of another size", () => {
    expect(() => latentGeometry(1000, 1024)).toThrow(/height.*\n.*multiple of 16[\s\S]*1008/);
    expect(() => latentGeometry(64, 0)).toThrow(TritcError);
    expect(() => latentGeometry(64, Number.NaN)).toThrow(TritcError);
    expect(() => packLatents(new Float32Array(5), latentGeometry(64, 64))).toThrow(/1024 values/);
  });
});
