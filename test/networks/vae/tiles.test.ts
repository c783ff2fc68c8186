/** Tiles as Diffusers' `enable_tiling` has them (`fixtures/make.py`), and their joints by themselves. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../../ir/tensor.js";
import type { HostTensor } from "../../../runtime/pipeline/network.js";
import {
  decodedSizes,
  encodedSizes,
  needsTiles,
  runTiles,
  type TiledSizes,
} from "../../../runtime/pipeline/tiles.js";
import { randomFloats } from "../../support/random.js";
import { difference, expectedOf, FIXTURES, type Half, interpretNetwork, partOf } from "./networks.js";

/** 4 latents of FLUX.1, and of FLUX.2 as many packed ones. */
const TILES = { latents: 4, overlap: 0.25 };
const PIXELS = 4;

interface Case {
  readonly name: string;
  readonly patch: number;
}

const CASES: readonly Case[] = [
  { name: "kl", patch: 1 },
  { name: "flux2", patch: 2 },
];

const toTensor = ({ data, shape }: HostTensor): Tensor => ({ dtype: "f32", data, shape });
const toHost = ({ data, shape }: Tensor): HostTensor => ({ data: data as Float32Array, shape });

async function tiled(folder: string, half: Half, given: Tensor, sizes: TiledSizes): Promise<Tensor> {
  const part = partOf(folder, half);
  const run = async (tile: HostTensor) => toHost(interpretNetwork(part, toTensor(tile)));
  return toTensor(await runTiles(toHost(given), TILES, sizes, run));
}

describe.each(CASES)("tiles of $name", ({ name, patch }) => {
  const folder = join(FIXTURES, name);
  const expected = expectedOf(folder, "tiled.safetensors");

  it.each<[Half, TiledSizes]>([
    ["vae_decoder", decodedSizes(TILES, PIXELS)],
    ["vae_encoder", encodedSizes(TILES, PIXELS, patch)],
  ])("of its %s give what Diffusers' give", async (half, sizes) => {
    const { given, wanted } = expected[half];
    expect(needsTiles(toHost(given), sizes)).toBe(true);
    const found = await tiled(folder, half, given, sizes);
    expect(difference(found, wanted)).toBeLessThan(1e-5);
    // Tiles are not the whole: norms and attention see less.
    expect(difference(interpretNetwork(partOf(folder, half), given), wanted)).toBeGreaterThan(1e-3);
  });
});

describe("joints", () => {
  const sizes = { input: 8, output: 16, patch: 1 };
  const tiles = { latents: 8, overlap: 0.25 };

  /** Each pixel four times: it does not matter where tiles lie. */
  const enlarge = async ({ data, shape }: HostTensor): Promise<HostTensor> => {
    const [, channels = 1, height = 1, width = 1] = shape;
    const out = new Float32Array(4 * data.length);
    for (let i = 0; i < out.length; i++) {
      const [x, y] = [i % (2 * width), Math.floor(i / (2 * width)) % (2 * height)];
      const c = Math.floor(i / (4 * width * height));
      out[i] = data[(c * height + Math.floor(y / 2)) * width + Math.floor(x / 2)] ?? Number.NaN;
    }
    return { data: out, shape: [1, channels, 2 * height, 2 * width] };
  };

  it.each([
    [8, 8, 4],
    [9, 8, 4],
    [12, 13, 6],
    [7, 31, 12],
    [31, 20, 24],
  ])("of %i by %i pixels lose nothing where tiles agree", async (height, width, count) => {
    const x = { data: randomFloats(3, 2 * height * width), shape: [1, 2, height, width] };
    let runs = 0;
    const joined = await runTiles(x, tiles, sizes, (tile) => {
      runs++;
      expect(Math.max(...tile.shape.slice(2))).toBeLessThanOrEqual(8);
      return enlarge(tile);
    });
    expect(runs).toBe(count);
    const whole = await enlarge(x);
    expect(joined.shape).toEqual(whole.shape);
    expect(difference(toTensor(joined), toTensor(whole))).toBeLessThan(1e-6);
  });

  it("go over from one tile to the next evenly", async () => {
    let tile = 0;
    const constant = async ({ shape: [, , h = 1, w = 1] }: HostTensor): Promise<HostTensor> => ({
      data: new Float32Array(4 * h * w).fill(tile++),
      shape: [1, 1, 2 * h, 2 * w],
    });
    const x = { data: new Float32Array(8 * 14), shape: [1, 1, 8, 14] };
    const { data } = await runTiles(x, tiles, sizes, constant);
    // The second tile begins at column 12, and the first reaches to 16; the third has what is behind 24.
    expect([...data.subarray(0, 28)]).toEqual([
      ...new Array<number>(12).fill(0),
      ...[0, 0.25, 0.5, 0.75],
      ...new Array<number>(8).fill(1),
      ...[1, 1.25, 1.5, 1.75],
    ]);
  });

  it("weigh packed latents by the row and column that their channels stand for", async () => {
    let tile = 0;
    const constant = async ({ shape: [, , h = 1, w = 1] }: HostTensor): Promise<HostTensor> => ({
      data: new Float32Array(4 * (h / 2) * (w / 2)).fill(tile++),
      shape: [1, 4, h / 2, w / 2],
    });
    const x = { data: new Float32Array(16 * 22), shape: [1, 1, 16, 22] };
    const packed = { input: 16, output: 8, patch: 2 };
    const { data, shape } = await runTiles(x, tiles, packed, constant);
    expect(shape).toEqual([1, 4, 8, 11]);
    const row = (channel: number) => [...data.subarray(channel * 88 + 6, channel * 88 + 9)];
    // Channels are (row, column) of a latent: the second of a column lies half a latent further right.
    expect([0, 1, 2, 3].map(row)).toEqual([
      [0, 0.5, 1],
      [0.25, 0.75, 1],
      [0, 0.5, 1],
      [0.25, 0.75, 1],
    ]);
  });

  it("are not there where one tile has all", () => {
    expect(needsTiles({ data: new Float32Array(64), shape: [1, 1, 8, 8] }, sizes)).toBe(false);
    expect(needsTiles({ data: new Float32Array(72), shape: [1, 1, 8, 9] }, sizes)).toBe(true);
  });
});
