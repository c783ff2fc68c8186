import { compileGraph } from "../../compiler/compile-graph.js";
import type { ByteReader } from "../../ir/constant/constant.js";
import { phasesThatRun } from "../../ir/program/phases.js";
import { targetByName } from "../../targets/index.js";
import { loadCompiled } from "../../test/support/run-compiled.js";
import { tinyGraph } from "./models.js";
import { floats } from "./numbers.js";
import type { BenchContext, Opened, Subject } from "./subject.js";

/** Of a picture of 1024 x 1024 pixels. */
const [TOKENS, CHANNELS] = [4096, 64];

/** The update reads none of the model's weights. */
const ZEROS: ByteReader = { read: (_, __, length) => new Uint8Array(length) };

/** What Euler's method adds to the latents, on the device and in a plain loop. */
export const UPDATES: Subject = {
  name: `sampler/Euler's update of ${TOKENS} x ${CHANNELS}`,
  open: openUpdate,
};

async function openUpdate({ target, device }: BenchContext): Promise<Opened> {
  const sizes = { img_tokens: TOKENS, txt_tokens: 1, steps: 1 };
  const compiled = await compileGraph(tinyGraph(), ZEROS, {
    target: targetByName(target),
    options: { ternarize: "none", activations: "f32" },
    sizes,
    planned: [sizes],
    batchAxes: new Map(),
  });
  const { program } = compiled.lowered;
  const loaded = await loadCompiled(compiled, ZEROS, await device());
  await loaded.bind(sizes);
  const [x, v] = [floats(TOKENS * CHANNELS), floats(TOKENS * CHANNELS, TOKENS * CHANNELS)];
  const delta = Math.fround(-0.02);
  for (const { role, buffer } of program.inputs) {
    if (role === "latents") loaded.write(buffer, x.slice());
    if (role === "coefficient") loaded.write(buffer, Float32Array.of(delta));
  }
  return {
    tasks: [
      {
        name: "a loop over a Float32Array",
        isPeer: true,
        run() {
          for (let i = 0; i < x.length; i++) x[i] = (x[i] ?? 0) + delta * (v[i] ?? 0);
        },
      },
      { name: "on the device", run: () => loaded.run(phasesThatRun(program, "update").slice(0, 1), 0) },
    ],
    close: () => loaded.close(),
  };
}
