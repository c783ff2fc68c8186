/**
 * Compiles every kernel of the shapes model, of FLUX.1-dev and of its VAE's decoder with nvcc, for one architecture after the
 * other, and prints what each takes. Needs no GPU. Exits with 1 if a kernel is refused.
 *
 *   npm run check:cuda -- [--arch sm_80,sm_90a] [--activations int8,bf16,f32] [--group row,32,64,128,256] [--json]
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findToolkit } from "../../compiler/codegen/nvcc/toolkit.js";
import { TritcError } from "../../ir/errors.js";
import { GROUP_SIZES, type GroupSize } from "../../ir/ternary/groups.js";
import { cacheDir } from "../../runtime/node/cache-dir.js";
import { type Activations, ARCHITECTURES, type Architecture, cudaPortable } from "../../targets/index.js";
import { unpackModels } from "../build/models.js";
import { type CheckResult, checkKernels, cudaKernels } from "./kernels.js";

const ACTIVATIONS: readonly Activations[] = ["int8", "bf16", "f32"];
const GROUPS = ["row", ...GROUP_SIZES.map(String)];

/** Members of a list that a comma-separated option names. */
function chosen<T extends string>(
  option: string,
  text: string | undefined,
  all: readonly T[],
  usual: readonly T[],
) {
  if (text === undefined) return usual;
  return text.split(",").map((name) => {
    const known = all.find((member) => member === name);
    if (known === undefined) throw new Error(`--${option} ${name}: there are ${all.join(", ")}`);
    return known;
  });
}

function print(architecture: Architecture, results: readonly CheckResult[]): void {
  const rows = results.map(({ models, activations, group, kernel, resources, error }) => [
    models.join(", "),
    activations,
    String(group),
    kernel.id,
    ...(resources === null
      ? ["-", "-", "-", "-", error?.message.split("\n")[0] ?? ""]
      : [
          String(resources.registers),
          String(resources.sharedBytes),
          String(resources.stackBytes),
          String(resources.spillBytes),
          resources.remarks.join("; "),
        ]),
  ]);
  const table = [
    ["model", "activations", "group", "kernel", "registers", "shared", "stack", "spills", "remarks"],
    ...rows,
  ];
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((row) => row[i]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  console.log(`\n${architecture}\n${lines.join("\n")}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      arch: { type: "string" },
      activations: { type: "string" },
      group: { type: "string" },
      json: { type: "boolean" },
    },
  });
  const all = Object.keys(ARCHITECTURES) as Architecture[];
  const architectures = chosen("arch", values.arch, all, cudaPortable.cuda?.architectures ?? []);
  const activations = chosen("activations", values.activations, ACTIVATIONS, ["int8", "bf16"]);
  const groups = chosen("group", values.group, GROUPS, ["row", "128"]).map((group) =>
    group === "row" ? group : (Number(group) as GroupSize),
  );
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  const models = join(root, "test", "models");
  await unpackModels(models);
  const results: CheckResult[] = [];
  for (const architecture of architectures) {
    const toolkit = await findToolkit([architecture], architecture);
    const kernels = await cudaKernels({
      architectures: [architecture],
      activations,
      groups,
      models,
      vae: true,
    });
    const checked = await checkKernels(kernels, toolkit, { cache: join(cacheDir(), "kernels") });
    results.push(...checked);
    if (values.json !== true) print(architecture, checked);
  }
  const refused = results.filter(({ error }) => error !== null);
  if (values.json === true) {
    const rows = results.map(({ kernel, error, ...rest }) => ({
      kernel: kernel.id,
      ...rest,
      error: error?.message ?? null,
    }));
    console.log(JSON.stringify(rows, null, 2));
  } else {
    for (const { error } of refused) console.log(`\n${error?.message}`);
    console.log(
      `\n${results.length - refused.length} kernels compile without spills, ${refused.length} are refused`,
    );
  }
  if (refused.length > 0) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof TritcError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
