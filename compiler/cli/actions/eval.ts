import { serialize } from "../../../ir/format/safetensors.js";
import type { LoraRequest } from "../../lora/read.js";
import { describeLora } from "../describe-lora.js";
import type { HubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import { adapterPaths, modelPath } from "../model-path.js";
import type { CommonOptions, DeviceOptions } from "../options.js";
import { Output } from "../output.js";
import { readTensors } from "../safetensors-file.js";
import { table } from "../terminal.js";

export interface EvalOptions extends CommonOptions, DeviceOptions, HubOptions {
  readonly inputs: string;
  readonly out: string;
  readonly precision: "f32" | "f64";
  readonly interpret?: boolean;
  readonly lora?: readonly LoraRequest[];
}

export async function evaluate(given: string, options: EvalOptions): Promise<void> {
  const output = await Output.open(options, "safetensors");
  const { evaluateFile } = await loaded(import("../evaluate-file.js"), options);
  const inputs = await readTensors(options.inputs, options);
  const adapters = await adapterPaths(options.lora, options);
  const model = await modelPath(given, "transformer", options);
  const asked = adapters === undefined ? options : { ...options, lora: adapters };
  const { outputs, ranOn, lora } = await evaluateFile(model, inputs, asked);
  await output.write([serialize(outputs)]);
  const tensors = [...outputs].map(([name, t]) => ({ name, dtype: t.dtype, shape: t.shape }));
  const rows = tensors.map((t) => [t.name, t.dtype, `[${t.shape.join(", ")}]`]);
  const remarks = [...lora.map(describeLora), `${options.out}: computed by ${ranOn}`];
  const text = [table(rows), ...remarks.map((line) => table([[line]]))].join("\n");
  output.summary({ out: options.out, ranOn, lora, tensors }, text);
}
