/** VAEs whose target has no room for whole pictures: the tiles they are planned for, and what is drawn with them. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Drawing } from "../../../compiler/drawing.js";
import { fileReader } from "../../../compiler/file-reader.js";
import { type CompiledNetwork, compileNetwork } from "../../../compiler/networks/compile.js";
import { tilesFor } from "../../../compiler/networks/tiles.js";
import { TritcError } from "../../../ir/errors.js";
import { BUNDLE_FORMAT, BUNDLE_FORMAT_VERSION, parseManifest } from "../../../ir/format/manifest.js";
import type { VaeTiles } from "../../../ir/format/vae-tiles.js";
import { flux1Latents } from "../../../ir/models/flux1/latents.js";
import { flux2Latents } from "../../../ir/models/flux2/latents.js";
import { evaluateBundle } from "../../../runtime/evaluate.js";
import { createNodeCpuDevice } from "../../../runtime/node/cpu.js";
import type { HostTensor, Network } from "../../../runtime/pipeline/network.js";
import { decodedSizes, encodedSizes, runTiles, type TiledSizes } from "../../../runtime/pipeline/tiles.js";
import { decodeLatents, encodePlanes } from "../../../runtime/pipeline/vae.js";
import { cpu, type Target } from "../../../targets/index.js";
import { randomFloats } from "../../support/random.js";
import { loadCompiled } from "../../support/run-compiled.js";
import { difference, FIXTURES, type Half, interpretNetwork, partOf } from "./networks.js";

const reader = fileReader();
afterAll(() => reader.close());

function drawingOf(width: number, height: number): Drawing {
  const sampling = { pixelsPerToken: 8, textLength: 16, steps: 1, guidance: null, condition: null };
  return {
    resolutions: [{ width, height }],
    sampling: { ...sampling, referenceTokens: 0, scheduler: null },
  };
}

interface Room {
  readonly target?: Target;
  readonly limitBytes?: number | null;
  readonly reference?: Drawing["reference"];
}

function compile(
  name: string,
  half: Half,
  size: readonly [number, number],
  room: Room = {},
): Promise<CompiledNetwork> {
  return compileNetwork(partOf(join(FIXTURES, name), half), reader, {
    target: room.target ?? cpu,
    drawing: { ...drawingOf(...size), reference: room.reference },
    limitBytes: room.limitBytes ?? null,
    codegen: () => ({}),
  });
}

/** A network as the runtime finds it in a bundle. */
function networkOf(compiled: CompiledNetwork): Network {
  return {
    place: "here",
    async open() {
      const device = await createNodeCpuDevice({ threads: 1 });
      const loaded = await loadCompiled(compiled, reader, device);
      const { program } = compiled.lowered;
      return {
        inputs: program.inputs.map(({ name, shape }) => ({ name, type: "f32", shape })),
        tiles: compiled.tiles,
        async run(feeds) {
          const tensors = Object.entries(feeds).map(([id, feed]) => [id, { dtype: "f32", ...feed }] as const);
          const outputs = await evaluateBundle(loaded, program, new Map(tensors));
          return new Map(
            [...outputs].map(([id, { data, shape }]) => [id, { data: data as Float32Array, shape }]),
          );
        },
        close: () => device.close(),
      };
    },
  };
}

describe.each([
  { name: "kl", layout: flux1Latents, channels: 3, vaeScale: 4, patch: 1 },
  { name: "flux2", layout: flux2Latents, channels: 3, vaeScale: 2, patch: 2 },
])("$name without room for whole pictures", ({ name, layout, channels, vaeScale, patch }) => {
  const [height, width] = [96, 160];
  const config = { latentChannels: channels, scalingFactor: 0.5, shiftFactor: 0, vaeScale, sampleSize: null };
  const geometry = layout.geometry(height, width, channels, vaeScale);
  const pixels = vaeScale * patch;

  /** What the interpreter gives in tiles. */
  async function interpreted(
    half: Half,
    x: HostTensor,
    tiles: VaeTiles,
    sizes: TiledSizes,
  ): Promise<HostTensor> {
    const part = partOf(join(FIXTURES, name), half);
    return runTiles(x, tiles, sizes, async (tile) => {
      const { data, shape } = interpretNetwork(part, { dtype: "f32", ...tile });
      return { data: data as Float32Array, shape };
    });
  }

  describe.each<Half>(["vae_decoder", "vae_encoder"])("%s", (half) => {
    let whole: CompiledNetwork;
    let tiled: CompiledNetwork;
    let limitBytes = 0;
    beforeAll(async () => {
      whole = await compile(name, half, [width, height]);
      limitBytes = Math.floor(whole.peakBytes * 0.6);
      tiled = await compile(name, half, [width, height], { limitBytes });
    });

    it("is planned for the largest tiles that fit", async () => {
      expect([whole.tiles, whole.tilePixels]).toEqual([undefined, null]);
      const { latents, overlap } = tiled.tiles as VaeTiles;
      expect(overlap).toBe(0.25);
      expect(latents % 4).toBe(0);
      expect(tiled.tilePixels).toBe(latents * pixels);
      expect(tiled.peakBytes).toBeLessThanOrEqual(limitBytes);
      const side = (latents + 4) * pixels;
      const larger = await compile(name, half, [Math.min(width, side), Math.min(height, side)]);
      expect(larger.peakBytes).toBeGreaterThan(limitBytes);
    });

    it("works in these tiles", async () => {
      const tiles = tiled.tiles as VaeTiles;
      const network = networkOf(tiled);
      if (half === "vae_decoder") {
        const latents = randomFloats(5, geometry.channels * geometry.latentHeight * geometry.latentWidth);
        const picture = await decodeLatents(network, config, layout, layout.pack(latents, geometry), {
          height,
          width,
        });
        expect(picture.tilePixels).toBe(tiled.tilePixels);
        const shape = [1, geometry.channels, geometry.latentHeight, geometry.latentWidth];
        const x = { data: latents.map((z) => z / config.scalingFactor), shape };
        const { data } = await interpreted(half, x, tiles, decodedSizes(tiles, pixels));
        const distances = Array.from(picture.rgb, (byte, i) => {
          const value = (data[(i % 3) * height * width + Math.floor(i / 3)] ?? Number.NaN) / 2 + 0.5;
          return Math.abs(byte - Math.min(1, Math.max(0, value)) * 255);
        });
        expect(Math.max(...distances)).toBeLessThan(0.51);
        return;
      }
      const planes = randomFloats(6, 3 * height * width, 0.3);
      const packed = await encodePlanes(network, config, layout, planes, { height, width });
      const x = { data: planes, shape: [1, 3, height, width] };
      const { data } = await interpreted(half, x, tiles, encodedSizes(tiles, pixels, patch));
      const count = geometry.channels * geometry.latentHeight * geometry.latentWidth;
      const found = { dtype: "f32", shape: [count], data: layout.unpack(packed, geometry) } as const;
      const wanted = {
        dtype: "f32",
        shape: [count],
        data: data.subarray(0, count).map((z) => z * config.scalingFactor),
      } as const;
      expect(difference(found, wanted)).toBeLessThan(1e-4);
    });
  });
});

it("is planned for pictures to draw after where they are encoded, not where pictures are decoded", async () => {
  const reference = { width: 96, height: 32 };
  const peak = async (half: Half, size: readonly [number, number], more = {}) =>
    (await compile("kl", half, size, more)).peakBytes;
  expect(await peak("vae_encoder", [32, 64], { reference })).toBe(await peak("vae_encoder", [96, 64]));
  expect(await peak("vae_encoder", [96, 64])).toBeGreaterThan(await peak("vae_encoder", [32, 64]));
  expect(await peak("vae_decoder", [32, 64], { reference })).toBe(await peak("vae_decoder", [32, 64]));
});

it("refuses tiles of another size than the network was compiled for", async () => {
  const network: Network = {
    place: "vae_decoder",
    open: async () => ({
      inputs: [{ name: "latent_sample", type: "f32", shape: [1, 3, "h", "w"] }],
      tiles: { latents: 8, overlap: 0.25 },
      run: async () => new Map([["sample", { data: new Float32Array(3 * 16), shape: [1, 3, 4, 4] }]]),
      close: async () => {},
    }),
  };
  const config = { latentChannels: 3, scalingFactor: 1, shiftFactor: 0, vaeScale: 4, sampleSize: null };
  const latents = new Float32Array(3 * 10 * 12);
  await expect(
    decodeLatents(network, config, flux1Latents, latents, { height: 40, width: 48 }),
  ).rejects.toThrow(
    expect.objectContaining({
      code: "TRITC_E_PIPELINE_MODEL",
      details: expect.objectContaining({ expected: "[1,…,32,32]", found: "[1,3,4,4]" }),
    }),
  );
});

describe("a manifest", () => {
  const manifest = {
    format: BUNDLE_FORMAT,
    formatVersion: BUNDLE_FORMAT_VERSION,
    ...{ tritc: "0", target: "cpu", options: { ternarize: "none", activations: "f32", storage: "trits" } },
    ...{ resolutions: [], sampling: null, model: null, inputs: [], outputs: [] },
    memory: { promptWeights: "keep", limitBytes: null, plans: [] },
    ...{ tensors: [], kernels: [], files: [] },
  };
  const parse = (tiles: unknown) => parseManifest(JSON.stringify({ ...manifest, tiles }));

  it("may say tiles", () => {
    expect(parse(undefined).tiles).toBeUndefined();
    expect(parse({ latents: 44, overlap: 0.25 }).tiles).toEqual({ latents: 44, overlap: 0.25 });
  });

  it.each<[string, unknown]>([
    ["no latents", { latents: 0, overlap: 0.25 }],
    ["a tile that does not move on", { latents: 4, overlap: 1 }],
    ["no overlap", { latents: 4, overlap: 0 }],
    ["half a latent", { latents: 6, overlap: 0.25 }],
    ["another member", { latents: 4, overlap: 0.25, more: 1 }],
    ["no object", null],
  ])("with tiles of %s is refused", (_, tiles) => {
    expect(() => parse(tiles)).toThrow(expect.objectContaining({ code: "TRITC_E_BUNDLE_FORMAT" }));
  });
});

describe("limits", () => {
  it("of buffers lead to tiles as memory does", async () => {
    // The largest result has 8 channels at the picture's size, in two halves: 4·4·128·96 bytes of a tile of 32 latents.
    const limits = { ...cpu.limits, maxBufferBytes: 204_800, maxBindingBytes: 204_800 };
    const compiled = await compile("kl", "vae_decoder", [160, 96], { target: { ...cpu, limits } });
    expect(compiled.tilePixels).toBe(128);
  });

  it("that leave no room for the smallest tile are those of whole pictures", async () => {
    await expect(compile("kl", "vae_decoder", [160, 96], { limitBytes: 100_000 })).rejects.toThrow(
      expect.objectContaining({
        code: "TRITC_E_DEVICE_MEMORY",
        details: expect.objectContaining({ message: expect.stringContaining("160x96") }),
      }),
    );
  });
});

describe("the search for tiles", () => {
  const tiling = { pixels: 8, sizes: (latents: number) => ({ h: latents, w: latents }) };
  const whole = [
    { h: 128, w: 96 },
    { h: 40, w: 128 },
  ];
  const tooLarge = () => {
    throw new TritcError({ code: "TRITC_E_BUFFER_LIMIT", message: "", remedy: "" });
  };
  /** A plan that fits up to so many latents. */
  const upTo =
    (most: number) => (sizes: (typeof whole)[number][] | readonly Readonly<Record<string, number>>[]) => {
      if (sizes.some(({ h = 0, w = 0 }) => h * w > most)) tooLarge();
    };

  it.each([
    [128 * 96, undefined],
    [128 * 96 - 1, 124],
    [64 * 64, 64],
    [64 * 64 - 1, 60],
    [16 * 16, 16],
    [16 * 16 - 1, undefined],
  ])("with room for %i latents gives %s", (most, latents) => {
    const found = tilesFor(tiling, whole, upTo(most));
    expect(found.tiles?.latents).toBe(latents);
    const sides = latents ?? 128;
    expect(found.sizes).toEqual(whole.map(({ h, w }) => ({ h: Math.min(h, sides), w: Math.min(w, sides) })));
  });

  it("is for networks that can, and for plans that are too large", () => {
    expect(tilesFor(undefined, whole, tooLarge).tiles).toBeUndefined();
    const broken = () => {
      throw new Error("broken");
    };
    expect(() => tilesFor(tiling, whole, broken)).toThrow("broken");
  });
});
