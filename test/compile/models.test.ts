/** The given exports through the compiler, on both targets: the kernels are the model. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CompileStages } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Device } from "../../runtime/device.js";
import { openDevice } from "../../runtime/node/open-device.js";
import { targetByName } from "../../targets/index.js";
import { compileGiven, givenTensors } from "../support/given-models.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";

const reader = fileReader();
afterAll(() => reader.close());

type Quantization = CompileStages["options"];

const compiled = (name: string, target: string, options: Quantization) =>
  compileGiven(name, reader, { target: targetByName(target), options });

const FLOAT: Quantization = { ternarize: "none", activations: "f32" };
const TERNARY: Quantization = { ternarize: "exact", activations: "int8" };

const names = [
  "import/ts14-decomposed",
  "import/ts17-optimum",
  "import/ts17-schnell-static",
  "shapes-ternary/transformer",
] as const;

describe.each([{ target: "cpu" }, { target: "webgpu" }])("$target", ({ target }) => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice(target, { threads: 2, software: true });
  }, 120_000);
  afterAll(() => device.close());

  const known = new Map<string, ReturnType<typeof runTernary>>();
  async function runTernary(name: string) {
    const inputs = givenTensors(`${name}/inputs.safetensors`);
    const result = await compiled(name, target, TERNARY);
    return { result, inputs, outputs: await runCompiled(result, reader, device, inputs) };
  }
  /** A model with ternary weights, and what its first run computed; run once for all tests that ask. */
  function firstRun(name: string): ReturnType<typeof runTernary> {
    const first = known.get(name) ?? runTernary(name);
    known.set(name, first);
    return first;
  }

  it.each(names)(
    "%s: the kernels, without quantization, are the model",
    async (name) => {
      const inputs = givenTensors(`${name}/inputs.safetensors`);
      const [expected] = givenTensors(`${name}/expected.safetensors`).values();
      const [found] = (
        await runCompiled(await compiled(name, target, FLOAT), reader, device, inputs)
      ).values();
      expect(found?.shape).toEqual(expected?.shape);
      expect(relativeError(found, expected)).toBeLessThan(1e-4);
    },
    120_000,
  );

  it("2-bit codes in the weight file give the bits of trits", async () => {
    const name = "shapes-ternary/transformer";
    const { result: trits, inputs, outputs } = await firstRun(name);
    const stages = { target: targetByName(target), options: TERNARY };
    const twoBit = await compileGiven(name, reader, { ...stages, codes: "2bit" });
    const encodings = twoBit.lowered.tensors.map(({ encoding }) => encoding);
    expect(encodings).toEqual(
      trits.lowered.tensors.map(({ encoding }) => (encoding === "plain" ? "plain" : "2bit")),
    );
    expect(encodings).toContain("2bit");
    const [wanted] = outputs.values();
    const [found] = (await runCompiled(twoBit, reader, device, inputs)).values();
    expect(found).toEqual(wanted);
  }, 120_000);

  it.each(names)(
    "%s: ternary weights and int8 activations are the interpreter's, and the same every time",
    async (name) => {
      const { result, inputs, outputs } = await firstRun(name);
      const [found] = outputs.values();
      const [again] = (await runCompiled(result, reader, device, inputs)).values();
      const [wanted] = interpret(result.graph, inputs, { reader }).values();
      expect(relativeError(found, wanted)).toBeLessThan(1e-3);
      expect(again).toEqual(found);
    },
    120_000,
  );
});
