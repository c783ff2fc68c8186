import { denseLayout, ternaryLayout } from "../../ir/families/contract/weights.js";
import { phasesWith } from "../../ir/program/phases.js";
import type { Launch, Program, ProgramBuffer } from "../../ir/program/program.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import { packTritRow, tritRowBytes } from "../../ir/ternary/trits.js";
import type { Device } from "../../runtime/device.js";
import { webgpu } from "../../targets/index.js";
import { defineKernel, gridOf, type KernelDefinition } from "../../templates/index.js";
import { renderTemplate } from "../../templates/render.js";
import { type Contender, floatsOf, type Layer } from "./layer.js";

interface Variant {
  readonly name: string;
  readonly gemm: KernelDefinition;
  readonly unpack: KernelDefinition;
  readonly words: number;
  /** Scales, all the same, in the kernel's layout. */
  readonly scales: number;
  readonly stored: Uint8Array;
  readonly int8: boolean;
  readonly ternary: boolean;
}

/** The layer as our kernels can have it. `/128`: a scale for each 128 inputs of a row. */
export function variantsOf(layer: Layer): readonly Variant[] {
  const { n, k, codes } = layer;
  const rowBytes = tritRowBytes(k);
  const trits = new Uint8Array(n * rowBytes);
  for (let o = 0; o < n; o++) {
    packTritRow(codes.subarray(o * k, (o + 1) * k), trits.subarray(o * rowBytes, (o + 1) * rowBytes));
  }
  const epilogue = { activation: "none", bias: false, gated: false } as const;
  const ternary = (activations: "i8" | "f32", group?: 128): Variant => ({
    name: `ternary${group === undefined ? "" : `/${group}`}, ${activations} rows`,
    gemm: defineKernel(
      "ternary-gemm",
      { n, k, activations, ...(group === undefined ? {} : { group }), ...epilogue },
      webgpu,
    ),
    unpack: defineKernel("unpack-trits", { n, k, activations }, webgpu),
    words: ternaryLayout({ n, k, activations }).words.wgsl,
    scales: group === undefined ? n : denseLayout({ n, k: groupsOf(k, group) }).words.wgsl,
    stored: trits,
    int8: activations === "i8",
    ternary: true,
  });
  const dense: Variant = {
    name: "dense f32, f32 rows",
    gemm: defineKernel("dense-gemm", { n, k, ...epilogue }, webgpu),
    unpack: defineKernel("unpack-dense", { n, k, source: "f32" }, webgpu),
    words: denseLayout({ n, k }).words.wgsl,
    scales: n,
    stored: new Uint8Array(floatsOf(layer).buffer),
    int8: false,
    ternary: false,
  };
  return [ternary("i8"), ternary("i8", 128), ternary("f32"), ternary("f32", 128), dense];
}

/** A program that quantizes rows in `prompt` and multiplies in `step`. */
function programOf(layer: Layer, v: Variant): { readonly program: Program; source(id: string): string } {
  const { m, k, n } = layer;
  const kPad = Math.ceil(k / 16) * 16;
  const quantize = defineKernel("quantize-rows", { c: k }, webgpu);
  const definitions = new Map<string, KernelDefinition>([
    ["gemm", v.gemm],
    ["unpack", v.unpack],
    ["quantize", quantize],
  ]);
  if (v.gemm.fallback !== null) definitions.set("fallback", v.gemm.fallback);
  const arg = (buffer: string, rowStride: number) => ({ buffer, offset: 0, rowStride, stepStride: 0 });
  const quantized = [arg("q", kPad), arg("rowScale", 1), arg("rowSum", 1)];
  const rows = (v.int8 ? quantized : [arg("x", k)]).filter(({ buffer }) =>
    v.gemm.kernel.args.some(({ name }) => name === buffer),
  );
  const launch = (
    kernel: string,
    count: number,
    args: Launch["args"],
    sizes: [number, number, number],
  ): Launch => ({
    kernel,
    rows: count,
    args,
    scalars: [],
    grid: gridOf(definitions.get(kernel) ?? v.gemm, sizes),
    label: kernel,
  });
  const host = { kind: "host" } as const;
  const buffers: ProgramBuffer[] = [
    { id: "stored", dtype: "u8", elements: v.stored.length, storage: { kind: "staging", tensor: "stored" } },
    { id: "weights", dtype: v.ternary ? "u32" : "f32", elements: v.words, storage: { kind: "resident" } },
    { id: "scales", dtype: "f32", elements: v.scales, storage: { kind: "weight", tensor: "scales" } },
    { id: "x", dtype: "f32", elements: m * k, storage: host },
    { id: "q", dtype: "i8", elements: m * kPad, storage: { kind: "arena", slot: 0 } },
    { id: "rowScale", dtype: "f32", elements: m, storage: { kind: "arena", slot: 1 } },
    { id: "rowSum", dtype: "i32", elements: m, storage: { kind: "arena", slot: 2 } },
    { id: "out", dtype: "f32", elements: m * n, storage: { kind: "arena", slot: 3 } },
  ];
  const weights = [arg("weights", 0), ...(v.ternary ? [arg("scales", 0)] : [])];
  return {
    program: {
      target: "webgpu",
      symbols: [],
      buffers,
      kernels: [...definitions].map(([id, { kernel }]) => ({
        ...kernel,
        id,
        fallback: id === "gemm" && definitions.has("fallback") ? "fallback" : null,
      })),
      phases: phasesWith({
        load: [launch("unpack", n, [arg("stored", 0), arg("weights", 0)], [n, 1, 1])],
        prompt: v.int8 ? [launch("quantize", m, [arg("x", k), ...quantized], [1, m, 1])] : [],
        step: [launch("gemm", m, [...rows, ...weights, arg("out", n)], [n, m, 1])],
        euler: [],
      }),
      inputs: [],
      outputs: [],
      model: null,
    },
    source(id) {
      const definition = definitions.get(id);
      if (definition === undefined) throw new Error(`no kernel ${id}`);
      return renderTemplate(definition.template, definition.values);
    },
  };
}

/** Quantizing the rows is part of every run. */
export async function prepareOurs(device: Device, layer: Layer, variant: Variant): Promise<Contender> {
  const { program, source } = programOf(layer, variant);
  const code = { source, binary: () => new Uint8Array() };
  const scales = new Uint8Array(new Float32Array(variant.scales).fill(layer.scale).buffer);
  const loaded = await device.load(program, code, {
    bytes: async (tensor) => (tensor === "scales" ? scales : variant.stored),
  });
  await loaded.bind({});
  loaded.write("x", layer.x);
  return {
    name: variant.name,
    run: () => loaded.run(["prompt", "step"], 0),
    result: () => loaded.read("out"),
    close: () => loaded.close(),
  };
}
