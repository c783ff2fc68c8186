import { describe, expect, it } from "vitest";
import { hoistStepInvariant } from "../../compiler/analysis/step-invariant.js";
import { elideConcat, rootOf } from "../../compiler/lower/elide-concat.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";

function windowsOf(text: string) {
  const graph = parseGraph(text);
  return elideConcat(graph, hoistStepInvariant(graph));
}

describe("elide-concat", () => {
  it("places tokens as rows and channels as columns of the joint buffer", () => {
    const windows = windowsOf(`graph "g" {
      input %t: f32[1, txt, 4]
      input %i: f32[1, img, 4]
      %a: f32[1, txt, 4] = silu(%t)
      %b: f32[1, img, 4] = silu(%i)
      %rows: f32[1, img+txt, 4] = concat(%a, %b) {"axis": 1}
      %c: f32[1, img+txt, 4] = silu(%rows)
      %d: f32[1, img+txt, 4] = gelu(%rows) {"approximate": "tanh"}
      %columns: f32[1, img+txt, 8] = concat(%c, %d) {"axis": 2}
      %part: f32[1, img+txt, 3] = part(%columns) {"axis": 2, "start": 2, "length": 3}
      %tail: f32[1, img, 3] = part(%part) {"axis": 1, "start": "txt", "length": "img"}
      %y: f32[1, img, 3] = silu(%tail)
      output %y
    }`);
    expect(windows.get("a")).toEqual({ of: "rows", rowOffset: 0, columnOffset: 0 });
    expect(windows.get("b")).toEqual({ of: "rows", rowOffset: "txt", columnOffset: 0 });
    expect(windows.get("d")).toEqual({ of: "columns", rowOffset: 0, columnOffset: 4 });
    expect(windows.get("tail")).toEqual({ of: "part", rowOffset: "txt", columnOffset: 0 });
    expect(rootOf(windows, "tail")).toBe("columns");
  });

  it("copies inputs, outputs, repeated operands and values read from the same buffer", () => {
    const windows = windowsOf(`graph "g" {
      input %x: f32[2, 4]
      %a: f32[2, 4] = silu(%x)
      %b: f32[2, 4] = silu(%a)
      %c: f32[2, 4] = silu(%x)
      %o: f32[2, 4] = silu(%x)
      %y: f32[12, 4] = concat(%x, %a, %b, %c, %c, %o) {"axis": 0}
      %z: f32[12, 4] = silu(%y)
      output %z, %o
    }`);
    expect(windows.get("x")).toBeUndefined();
    expect(windows.get("c")).toBeUndefined();
    expect(windows.get("o")).toBeUndefined();
    // b reads a: both in one buffer would be read and written by one kernel.
    expect(windows.get("a")?.of).toBe("y");
    expect(windows.get("b")).toBeUndefined();
  });

  it("places what a reshape that keeps rows reads", () => {
    const windows = windowsOf(`graph "g" {
      input %x: f32[3, 4]
      const %s: i64[3] = [1, 3, 4]
      %a: f32[3, 4] = silu(%x)
      %b: f32[1, 3, 4] = reshape(%a, %s) {"allowZero": false}
      %c: f32[1, 3, 4] = silu(%b)
      %y: f32[1, 3, 8] = concat(%b, %c) {"axis": 2}
      %z: f32[1, 3, 8] = silu(%y)
      output %z
    }`);
    expect(windows.get("b")).toEqual({ of: "a", rowOffset: 0, columnOffset: 0 });
    expect(windows.get("a")).toEqual({ of: "y", rowOffset: 0, columnOffset: 0 });
  });
});

describe("hoist-step-invariant", () => {
  const text = `graph "g" {
    input %x: f32[1, img_tokens, 4]
    input %context: f32[1, txt_tokens, 4]
    input %t: f32[1]
    input %g: f32[1]
    const %w: f32[4, 8] = fill(0.5)
    const %p: i64[2] = [0, 1]
    const %s: i64[2] = [8, 1]
    %e: f32[1, 8] = timestep-embedding(%t) {"dim": 8, "factor": 1, "maxPeriod": 10000, "shift": 0, "sinFirst": false, "frequencies": null}
    %f: f32[1, 8] = timestep-embedding(%g) {"dim": 8, "factor": 1, "maxPeriod": 10000, "shift": 0, "sinFirst": false, "frequencies": null}
    %sum: f32[1, 8] = binary(%e, %f) {"fn": "add"}
    %m: f32[1, 4] = linear(%sum, %w, _) {"role": null, "activation": "none", "gated": false}
    %a: f32[1, txt_tokens, 4] = silu(%context)
    %flip: f32[8, 1] = transpose(%e) {"perm": [1, 0]}
    %y: f32[1, img_tokens, 4] = adaln(%x, %m, %m) {"epsilon": 0.000001}
    output %y, %a, %flip
  }`;
  const bare = parseGraph(text);
  const graph: Graph = {
    ...bare,
    model: {
      family: "flux1",
      doubleBlocks: 0,
      singleBlocks: 0,
      hidden: 4,
      heads: 1,
      headDim: 4,
      mlpWidth: 4,
      inChannels: 4,
      outChannels: 4,
      contextDim: 4,
      pooledDim: 4,
      guidance: true,
      timestepScale: 1,
      guidanceScale: 1,
      ropeAxes: [4],
      ropeTheta: 10000,
      roles: { x: "latents", context: "context", t: "timestep", g: "guidance" },
      parameters: 0,
      blockLinearWeights: 0,
    },
  };
  const placements = hoistStepInvariant(graph);

  it("computes timestep values for all steps, text values once, the rest each step", () => {
    for (const id of ["t", "e", "sum", "m"]) {
      expect(placements.get(id)).toEqual({ phase: "prompt", perStep: true });
    }
    for (const id of ["f", "a"]) expect(placements.get(id)).toEqual({ phase: "prompt", perStep: false });
    expect(placements.get("y")).toEqual({ phase: "step", perStep: false });
  });

  it("leaves to the step what would mix the rows of steps", () => {
    expect(placements.get("flip")).toEqual({ phase: "step", perStep: false });
  });

  it("hoists nothing without a model description", () => {
    expect(hoistStepInvariant(bare).get("e")).toEqual({ phase: "step", perStep: false });
  });
});
