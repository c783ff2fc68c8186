/** Convolutions and group norms of pictures, from a graph to programs of every target, against the interpreter. */
import { describe, expect, it } from "vitest";
import { compileGraph } from "../../compiler/compile-graph.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { READER } from "../interpret/run-op.js";
import { emulated } from "../support/emulated.js";
import { PROGRAM_DEVICES } from "../support/program-devices.js";
import { randomFloats } from "../support/random.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";

function inline(seed: number, count: number): string {
  return `hex(${Buffer.from(randomFloats(seed, count, 0.3).buffer).toString("hex")})`;
}

/** A residual block, twice the size, a convolution of single pixels, half the size, and the end of a decoder. */
const GRAPH: Graph = parseGraph(`graph "pictures" {
  input %x: f32[1, height, width, 32]
  const %gain: f32[32] = ${inline(1, 32)}
  const %shift: f32[32] = ${inline(2, 32)}
  const %w1: f32[32, 3, 3, 32] = ${inline(3, 32 * 9 * 32)}
  const %w2: f32[20, 3, 3, 32] = ${inline(4, 20 * 9 * 32)}
  const %w3: f32[12, 1, 1, 20] = ${inline(5, 12 * 20)}
  const %w4: f32[8, 3, 3, 12] = ${inline(6, 8 * 9 * 12)}
  const %w5: f32[3, 3, 3, 8] = ${inline(7, 3 * 9 * 8)}
  const %bias: f32[3] = ${inline(8, 3)}
  %normal: f32[1, height, width, 32] = group-norm-rows(%x, %gain, %shift) {"groups": 4, "epsilon": 1e-6, "activation": "silu"}
  %sum: f32[1, height, width, 32] = image-conv(%normal, %w1, %shift, %x) {"stride": 1, "pads": [1, 1, 1, 1], "upsample": 1}
  %large: f32[1, 2*height, 2*width, 20] = image-conv(%sum, %w2) {"stride": 1, "pads": [1, 1, 1, 1], "upsample": 2}
  %points: f32[1, 2*height, 2*width, 12] = image-conv(%large, %w3) {"stride": 1, "pads": [0, 0, 0, 0], "upsample": 1}
  %small: f32[1, height, width, 8] = image-conv(%points, %w4) {"stride": 2, "pads": [0, 0, 1, 1], "upsample": 1}
  %y: f32[1, height, width, 3] = image-conv(%small, %w5, %bias) {"stride": 1, "pads": [1, 1, 1, 1], "upsample": 1}
  output %y
}`);

const SIZES = [
  [7, 10],
  [16, 8],
] as const;

describe.each(PROGRAM_DEVICES)("pictures on %s", (_, target, open) => {
  it("are the interpreter's", async () => {
    const made = await compileGraph(GRAPH, READER, {
      target,
      options: { ternarize: "none", activations: "f32" },
      sizes: { height: 16, width: 16 },
      batchAxes: new Map(),
      ...(target.language === "cuda" ? { codegen: { emit: "source" } } : {}),
    });
    const compiled = target.language === "cuda" ? await emulated(made) : made;
    const device = await open();
    try {
      for (const [height, width] of SIZES) {
        const data = randomFloats(9, height * width * 32, 2);
        const inputs = new Map<string, Tensor>([
          ["x", { dtype: "f32", shape: [1, height, width, 32], data }],
        ]);
        const wanted = interpret(GRAPH, inputs, { reader: READER, precision: "f64" }).get("y");
        const found = (await runCompiled(compiled, READER, device, inputs)).get("y");
        expect(relativeError(found, wanted)).toBeLessThan(3e-6);
      }
    } finally {
      await device.close();
    }
  });
});
