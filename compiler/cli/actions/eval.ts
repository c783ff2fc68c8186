import { checkFilePath } from "../../atomic-file.js";
import type { EvalOptions } from "../commands/eval.js";
import { describeLora } from "../describe-lora.js";
import { readTensors, writeTensors } from "../safetensors-file.js";
import { Terminal, table } from "../terminal.js";

export async function evaluate(model: string, options: EvalOptions): Promise<void> {
  const { evaluateFile } = await import("../evaluate-file.js");
  if (options.out !== "-") await checkFilePath(options.out);
  const inputs = await readTensors(options.inputs, options.io);
  const { outputs, ranOn, lora } = await evaluateFile(model, inputs, options);
  await writeTensors(options.out, outputs, options.io);
  const tensors = [...outputs].map(([name, t]) => ({ name, dtype: t.dtype, shape: t.shape }));
  const rows = tensors.map((t) => [t.name, t.dtype, `[${t.shape.join(", ")}]`]);
  for (const adapter of lora) rows.push([describeLora(adapter)]);
  const terminal = new Terminal(options);
  if (options.out === "-") terminal.note(table([...rows, [`computed by ${ranOn}`]]));
  else {
    terminal.result(
      { out: options.out, ranOn, lora, tensors },
      table([...rows, [`${options.out}: computed by ${ranOn}`]]),
    );
  }
}
