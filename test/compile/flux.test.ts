/** Small FLUX transformers in every exporter's style through compiler and cpu kernels, against the interpreter. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchAxesOf, type Compiled, compileGraph, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import type { Graph } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { cpu } from "../../targets/index.js";
import { buildFlux, fluxInputs } from "../support/flux-builder.js";
import { type FluxStyle, STYLES, TINY } from "../support/flux-style.js";
import { loadCompiled, relativeError, runCompiled } from "../support/run-compiled.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-flux-"));
const reader = fileReader();
let device: Device;
beforeAll(async () => {
  device = await createNodeCpuDevice({ threads: 2 });
});
afterAll(async () => {
  await device.close();
  reader.close();
  rmSync(folder, { recursive: true });
});

function imported(name: string, style: FluxStyle): Graph {
  const file = join(folder, `${name}.onnx`);
  writeFileSync(file, buildFlux(style, TINY));
  return importOnnx(file);
}

type Quantization = { readonly ternarize: "none" | "exact"; readonly activations: "f32" | "int8" };

/** What recognition makes of a model: the same with any quantization. */
const recognizedModels = new Map<Graph, Graph>();

async function compiled(model: Graph, options: Quantization): Promise<Compiled> {
  const recognized = recognizedModels.get(model) ?? recognize(model, reader);
  recognizedModels.set(model, recognized);
  const batchAxes = batchAxesOf(model, recognized);
  return compileGraph(recognized, reader, { target: cpu, options, sizes: {}, batchAxes });
}

type Tokens = { readonly img: number; readonly txt: number };

function inputsOf(style: FluxStyle, tokens: Tokens, timestep = 0.875, seed = 7): Map<string, Tensor> {
  const given = fluxInputs(style, TINY, tokens, { timestep, guidance: 3.5 }, seed);
  return new Map(
    Object.entries(given).map(([name, { type, dims, values }]) => {
      const data =
        type === "i64"
          ? BigInt64Array.from(values, BigInt)
          : type === "i32"
            ? Int32Array.from(values)
            : Float32Array.from(values);
      const dtype = type === "i64" || type === "i32" ? type : "f32";
      return [name, { dtype, shape: dims, data }];
    }),
  );
}

const EXACT: Quantization = { ternarize: "none", activations: "f32" };
const TERNARY: Quantization = { ternarize: "exact", activations: "int8" };

describe.each(Object.entries(STYLES))("%s", (name, style) => {
  const model = imported(name, style);
  const sizes: readonly Tokens[] =
    style.tokens === null
      ? [TINY]
      : [
          { img: 6, txt: 5 },
          { img: 35, txt: 18 },
        ];

  it("computes the model without quantization", async () => {
    const result = await compiled(model, EXACT);
    for (const tokens of sizes) {
      const inputs = inputsOf(style, tokens);
      const found = await runCompiled(result, reader, device, inputs);
      const wanted = interpret(model, inputs, { reader });
      expect(relativeError(found.get(style.output), wanted.get(style.output))).toBeLessThan(2e-5);
    }
  });

  it("computes the ternary int8 graph", async () => {
    const result = await compiled(model, TERNARY);
    for (const tokens of sizes) {
      const inputs = inputsOf(style, tokens);
      const found = await runCompiled(result, reader, device, inputs);
      const again = await runCompiled(result, reader, device, inputs);
      const wanted = interpret(result.graph, inputs, { reader });
      expect(relativeError(found.get(style.output), wanted.get(style.output))).toBeLessThan(1e-3);
      expect(again).toEqual(found);
    }
  });
});

describe("with the sampler's phases", () => {
  const [name, style] = Object.entries(STYLES).find(([, s]) => s.tokens !== null && s.batch !== null) ?? [];
  if (name === undefined || style === undefined) throw new Error("no dynamic style");
  const model = imported(`${name}-phases`, style);
  const tokens = { img: 7, txt: 4 };
  const roleName = (role: string) => style.inputs.find(([r]) => r === role)?.[1] ?? "";

  interface Moment {
    readonly timestep: number;
    readonly update: string;
    readonly delta: number;
  }

  /** The latents after all moments, and those of a reference that takes its velocities from the interpreter. */
  const driven = async (
    options: typeof EXACT | typeof TERNARY,
    moments: readonly Moment[],
    reference: (
      latents: Float32Array,
      velocity: (x: Float32Array, timestep: number) => Float32Array,
    ) => Float32Array,
  ): Promise<number> => {
    const result = await compiled(model, options);
    const { program } = result.lowered;
    const inputs = inputsOf(style, tokens);
    const loaded = await loadCompiled(result, reader, device);
    const port = (role: string) => program.inputs.find((p) => p.role === role);
    const write = (role: string, data: ArrayLike<number>) => {
      const buffer = program.buffers.find((b) => b.id === port(role)?.buffer);
      if (buffer !== undefined) {
        loaded.write(buffer.id, buffer.dtype === "f32" ? Float32Array.from(data) : Int32Array.from(data));
      }
    };
    await loaded.bind({ img_tokens: tokens.img, txt_tokens: tokens.txt, steps: moments.length });
    for (const { name: id, role } of program.inputs) {
      const tensor = inputs.get(id);
      if (role !== null && role !== "timestep" && tensor !== undefined)
        write(role, Array.from<number | bigint, number>(tensor.data, Number));
    }
    write(
      "timestep",
      moments.map(({ timestep }) => timestep),
    );
    write(
      "coefficient",
      moments.map(({ delta }) => delta),
    );
    await loaded.run(["prompt"], 0);
    for (const [i, { update }] of moments.entries()) await loaded.run(["step", update], i);
    const latents = { ...inputs.get(roleName("latents")) } as Tensor;
    const [inWidth, outWidth] = [TINY.inChannels, TINY.outChannels];
    const velocity = (x: Float32Array, timestep: number) => {
      const now = new Map(inputs);
      now.set(roleName("latents"), { ...latents, data: x.slice() });
      now.set(roleName("timestep"), { dtype: "f32", shape: [1], data: Float32Array.of(timestep) });
      const found = interpret(result.graph, now, { reader }).get(style.output)?.data ?? [];
      return x.map((_, i) =>
        i % inWidth < outWidth ? Number(found[Math.floor(i / inWidth) * outWidth + (i % inWidth)]) : 0,
      );
    };
    const found = await loaded.read(port("latents")?.buffer ?? "");
    await loaded.close();
    const wanted = { ...latents, data: reference(Float32Array.from(latents.data as Float32Array), velocity) };
    return relativeError({ ...latents, data: found }, wanted);
  };

  const sigmas = [1, 0.8, 0.35, 0];

  it.each([EXACT, TERNARY])("runs all steps' modulation at once ($ternarize)", async (options) => {
    const moments = [
      { timestep: 1, update: "euler", delta: -0.2 },
      { timestep: 0.8, update: "euler", delta: -0.45 },
      { timestep: 0.35, update: "euler", delta: -0.35 },
    ];
    const error = await driven(options, moments, (latents, velocity) =>
      moments.reduce((x, { timestep, delta }) => {
        const v = velocity(x, timestep);
        return x.map((value, i) => value + delta * (v[i] ?? 0));
      }, latents),
    );
    expect(error).toBeLessThan(1e-4);
  });

  it("evaluates Heun's method twice a step, but for the last", async () => {
    const moments = [
      { timestep: 1, update: "heun-predict", delta: -0.2 },
      { timestep: 0.8, update: "heun-correct", delta: -0.1 },
      { timestep: 0.8, update: "heun-predict", delta: -0.45 },
      { timestep: 0.35, update: "heun-correct", delta: -0.225 },
      { timestep: 0.35, update: "heun-predict", delta: -0.35 },
    ];
    const error = await driven(EXACT, moments, (latents, velocity) => {
      let x = latents;
      for (const [step, sigma] of sigmas.slice(0, -1).entries()) {
        const next = sigmas[step + 1] ?? 0;
        const first = velocity(x, sigma);
        const ahead = x.map((value, i) => value + (next - sigma) * (first[i] ?? 0));
        const second = next === 0 ? first : velocity(ahead, next);
        x = x.map((value, i) => value + (next - sigma) * 0.5 * ((first[i] ?? 0) + (second[i] ?? 0)));
      }
      return x;
    });
    expect(error).toBeLessThan(1e-4);
  });

  it("runs the samples of a batch one after the other", async () => {
    const result = await compiled(model, EXACT);
    const samples = [inputsOf(style, tokens, 0.9, 1), inputsOf(style, tokens, 0.4, 2)];
    const idNames = [roleName("img-ids"), roleName("txt-ids")];
    const batch = new Map(
      [...(samples[0] ?? [])].map(([id, first]) => {
        if (idNames.includes(id) && first.shape.length === 2) return [id, first];
        const data = samples.flatMap((s) => [...((s.get(id)?.data ?? []) as Float32Array)]);
        const dtype = first.dtype;
        const values = dtype === "f32" ? Float32Array.from(data) : BigInt64Array.from(data, BigInt);
        return [id, { dtype, shape: [2, ...first.shape.slice(1)], data: values }];
      }),
    );
    const found = (await runCompiled(result, reader, device, batch)).get(style.output);
    const wanted = samples.flatMap((inputs) => [
      ...((interpret(model, inputs, { reader }).get(style.output)?.data ?? []) as Float32Array),
    ]);
    expect(found?.shape).toEqual([2, tokens.img, TINY.outChannels]);
    const reference: Tensor = { dtype: "f32", shape: found?.shape ?? [], data: Float32Array.from(wanted) };
    expect(relativeError(found, reference)).toBeLessThan(2e-5);
  });
});
