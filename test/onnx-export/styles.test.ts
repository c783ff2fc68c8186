/** FLUX exports in random styles: any element types, ranks of ids and token axes, static or dynamic. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportOnnx } from "../../compiler/onnx-export/index.js";
import { type ExportSource, readModelSource } from "../../compiler/onnx-export/source.js";
import { interpret } from "../../ir/interpret/index.js";
import { allocate, countOf, type Tensor } from "../../ir/tensor.js";
import { buildFlux, fluxInputs } from "../support/flux-builder.js";
import { randomStyle } from "../support/flux-random-style.js";
import { type FluxStyle, STYLES, TINY } from "../support/flux-style.js";
import { uniform } from "../support/random.js";
import { relativeError } from "../support/run-compiled.js";
import { openOnnx } from "../support/run-onnx.js";

const root = mkdtempSync(join(tmpdir(), "tritc-onnx-styles-"));
afterAll(() => rmSync(root, { recursive: true }));

const random = uniform(20);
const styles: readonly (readonly [string, FluxStyle])[] = [
  ...Object.entries(STYLES),
  ...Array.from({ length: 4 }, (_, i) => [`random ${i}`, randomStyle(random)] as const),
];

function tensorsOf(style: FluxStyle): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const [name, { type, dims, values }] of Object.entries(fluxInputs(style, TINY, { img: 6, txt: 5 }))) {
    const dtype = type === "i64" || type === "i32" ? type : "f32";
    const data = allocate(dtype, values.length);
    for (const [k, v] of values.entries()) {
      if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[k] = BigInt(v);
      else data[k] = v;
    }
    tensors.set(name, { dtype, shape: dims, data });
  }
  return tensors;
}

function floatsOf({ data }: Tensor): Float64Array {
  return data instanceof BigInt64Array || data instanceof BigUint64Array
    ? Float64Array.from(data, Number)
    : Float64Array.from(data);
}

/** Two samples one after the other along the leading axis. */
function pair(a: Tensor, b: Tensor): Tensor {
  const data = allocate(a.dtype, 2 * countOf(a.shape));
  for (const [i, tensor] of [a, b].entries()) {
    const part = data.subarray(i * tensor.data.length, (i + 1) * tensor.data.length);
    if (part instanceof BigInt64Array && tensor.data instanceof BigInt64Array) part.set(tensor.data);
    else if (part instanceof Float32Array || part instanceof Int32Array) part.set(floatsOf(tensor));
  }
  return { ...a, shape: [2, ...a.shape.slice(1)], data };
}

describe.each(styles)("%s", (name, style) => {
  const folder = mkdtempSync(join(root, "m-"));
  const file = join(folder, "flux.onnx");
  let source: ExportSource;
  beforeAll(async () => {
    writeFileSync(file, buildFlux(style, TINY));
    source = await readModelSource(file, "flux", "exact");
  });
  afterAll(() => source.reader.close());

  it.each(["dequantized", "2bit"] as const)("%s", async (weights) => {
    const out = join(folder, `${weights}.onnx`);
    const report = await exportOnnx({
      input: file,
      out,
      weights,
      ...(weights === "2bit" ? {} : { type: "f32" }),
    });
    expect(report.model, name).not.toBeNull();
    // Inputs that nowhere name their samples, or hold them behind another axis, are exported for one sample.
    const unnamed = style.batch === null || style.axes === "no-shape" || style.residuals === "stacked";
    expect(report.dynamicBatch).toBe(!unnamed);
    const inputs = tensorsOf(style);
    const compute = (given: ReadonlyMap<string, Tensor>) =>
      interpret(source.graph, given, { reader: source.reader });
    const exported = await openOnnx(out);
    try {
      const [wanted] = compute(inputs).values();
      const [found] = (await exported.run(inputs)).values();
      expect(relativeError(found, wanted)).toBeLessThan(1e-5);
      if (!report.dynamicBatch) return;

      // A second sample with other numbers; ids are the same for both.
      const twice = new Map<string, Tensor>();
      const others = new Map<string, Tensor>();
      for (const { name: id, dims } of source.ports.inputs) {
        const first = inputs.get(id);
        if (first === undefined) throw new Error(`no tensor for ${id}`);
        const isIds = report.model?.roles[id]?.endsWith("ids") === true;
        const other = isIds ? first : { ...first, data: Float32Array.from(floatsOf(first), (v) => v * 0.9) };
        others.set(id, other);
        const isBatched = typeof dims?.[0] === "string" && first.shape[0] === 1;
        twice.set(id, isBatched ? pair(first, other) : first);
      }
      const [second] = compute(others).values();
      const [batch] = (await exported.run(twice)).values();
      if (wanted === undefined || second === undefined) throw new Error("no output");
      expect(relativeError(second, wanted)).toBeGreaterThan(1e-3);
      expect(relativeError(batch, pair(wanted, second))).toBeLessThan(1e-5);
    } finally {
      await exported.release();
    }
  });
});
