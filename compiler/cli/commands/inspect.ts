import type { Command } from "commander";
import { fileReader } from "../../file-reader.js";
import type { Inspection } from "../../inspect.js";
import { type CommonOptions, withOutputOptions } from "../options.js";
import { formatBytes, formatCount, Terminal, table } from "../terminal.js";

export function addInspect(program: Command): void {
  withOutputOptions(program.command("inspect"))
    .description(
      "say what a model is: blocks, linears by role, parameters, ternary share, what was not recognized",
    )
    .argument(
      "<model>",
      "an .onnx file, a folder with one, a Diffusers folder, or a FLUX.1 .safetensors checkpoint",
    )
    .action(async (path: string, options: CommonOptions) => {
      const [{ inspectGraph }, { importAndRecognize }] = await Promise.all([
        import("../../inspect.js"),
        import("../../pipeline.js"),
      ]);
      const reader = fileReader();
      try {
        const inspection = inspectGraph(importAndRecognize(path, reader));
        new Terminal(options).result(inspection, describe(inspection));
      } finally {
        reader.close();
      }
    });
}

function describe(found: Inspection): string {
  const { model, storage } = found;
  const percent = (100 * found.ternaryShare).toFixed(2);
  const facts: [string, string][] = [
    [
      "model",
      model === null
        ? "not recognized as a FLUX transformer"
        : `FLUX transformer: ${model.doubleBlocks} double and ${model.singleBlocks} single blocks, width ${model.hidden}, ` +
          `${model.heads} heads of ${model.headDim}, MLP ${model.mlpWidth}`,
    ],
  ];
  if (model !== null) {
    facts.push(
      ["latents", `${model.inChannels} channels in, ${model.outChannels} out`],
      [
        "conditioning",
        `context ${model.contextDim}, pooled ${model.pooledDim}, ${model.guidance ? "with" : "no"} guidance`,
      ],
      ["rope", `axes ${model.ropeAxes.join(" + ")}, theta ${model.ropeTheta}`],
    );
  }
  facts.push(
    ["parameters", formatCount(found.parameters)],
    ["ternary", `${formatCount(found.ternaryWeights)} weights of the block linears, ${percent}%`],
    [
      "storage",
      `${formatBytes(storage.source)} as stored, ${formatBytes(storage.bf16)} in bf16, ${formatBytes(storage.ternary)} ternary (${(storage.bf16 / storage.ternary).toFixed(2)}x below bf16)`,
    ],
    [
      "unrecognized",
      found.unrecognized.length === 0
        ? "none"
        : found.unrecognized.map((u) => `${u.op} x${u.count}`).join(", "),
    ],
  );
  const linears = found.linears.map((g) => [
    g.role,
    g.count,
    g.inFeatures,
    g.outFeatures,
    formatCount(g.weights),
  ]);
  return [
    table(facts),
    "",
    table([["input", "role", "type"], ...found.inputs.map((i) => [i.name, i.role ?? "-", i.type])]),
    "",
    table([["linear", "count", "in", "out", "weights"], ...linears]),
  ].join("\n");
}
