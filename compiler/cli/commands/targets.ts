import type { Command } from "commander";
import { TARGETS } from "../../../targets/index.js";
import { type CommonOptions, withOutputOptions } from "../options.js";
import { formatBytes, Terminal, table } from "../terminal.js";

export function addTargets(program: Command): void {
  withOutputOptions(program.command("targets"))
    .description("list what a model can be compiled for")
    .action((options: CommonOptions) => {
      const bytes = (n: number) => (Number.isFinite(n) ? formatBytes(n) : "-");
      const rows = TARGETS.map((t) => [
        t.name,
        t.language,
        bytes(t.limits.maxBufferBytes),
        bytes(t.limits.maxBindingBytes),
        t.activations.join(", "),
        t.summary,
      ]);
      new Terminal(options).result(
        TARGETS,
        table([["target", "kernels", "buffer", "binding", "activations", "summary"], ...rows]),
      );
    });
}
