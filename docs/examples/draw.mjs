// Compiles a model and draws with it: node draw.mjs <model> "<prompt>" <out.png>
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileModel, TritcError } from "tritc";
import { openGenerator } from "tritc/runtime/node";

const [input, prompt, out] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), "draw-"));
try {
  const bundle = join(folder, "bundle");
  await compileModel({ input, target: "cpu", out: bundle, ternarize: "exact", activations: "int8" });

  const generator = await openGenerator(bundle);
  const { png, width, height, steps } = await generator.generate({
    prompt,
    seed: 7,
    onStep: ({ step, steps }) => process.stderr.write(`\rstep ${step} of ${steps}`),
  });
  await generator.close();

  await writeFile(out, png);
  console.log(`\n${out}: ${width}x${height}, ${steps} steps`);
} catch (error) {
  // Errors that a user can mend say how.
  if (!(error instanceof TritcError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
} finally {
  await rm(folder, { recursive: true });
}
