import { allLaunches } from "../../ir/program/phases.js";
import type { Program } from "../../ir/program/program.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Bundle } from "../bundle.js";
import type { Device } from "../device.js";
import { evaluateBundle } from "../evaluate.js";
import { type HostTensor, modelError, type OpenNetwork } from "./network.js";

/** Puts a network that is a bundle of its own on a device of its target. */
export async function openBundleNetwork(bundle: Bundle, device: Device, place: string): Promise<OpenNetwork> {
  const { program, code, weights, manifest } = bundle;
  const { promptWeights } = manifest.memory;
  const loaded = await device.load(program, code, weights, { promptWeights });
  const tableRows = rowsLookedUp(program);
  return {
    tiles: manifest.tiles,
    inputs: program.inputs.map(({ name, dtype, shape }) => ({ name, type: dtype, shape })),
    async run(feeds) {
      const inputs = program.inputs.map(({ name }) => {
        const feed = Object.hasOwn(feeds, name) ? feeds[name] : undefined;
        if (feed === undefined) {
          const expected = Object.keys(feeds).join(", ");
          throw modelError(
            place,
            "the network has an input that this pipeline does not feed",
            expected,
            name,
          );
        }
        const rows = tableRows.get(name);
        const beyond = rows === undefined ? undefined : feed.data.find((index) => index >= rows);
        if (beyond !== undefined) {
          const message = "the network has fewer embeddings than its tokenizer has tokens";
          throw modelError(place, message, `${name} below ${rows}`, String(beyond));
        }
        return [name, { dtype: "f32", ...feed } satisfies Tensor] as const;
      });
      const outputs = await evaluateBundle(loaded, program, new Map(inputs));
      return new Map([...outputs].map(([name, tensor]) => [name, hostTensor(tensor)]));
    },
    close: () => loaded.close(),
  };
}

/**
 * Of inputs that are indices, the rows of the smallest table that they are looked up in: kernels clamp what lies beyond, and the last
 * row would be read.
 */
function rowsLookedUp(program: Program): ReadonlyMap<string, number> {
  const lookups = new Set(program.kernels.filter(({ family }) => family === "gather").map(({ id }) => id));
  const rows = new Map<string, number>();
  for (const { kernel, args, scalars } of allLaunches(program)) {
    if (!lookups.has(kernel)) continue;
    const [, indices] = args;
    const input = program.inputs.find(({ buffer }) => buffer === indices?.buffer);
    const [count] = scalars;
    if (input === undefined || typeof count !== "number") continue;
    rows.set(input.name, Math.min(count, rows.get(input.name) ?? count));
  }
  return rows;
}

function hostTensor({ data, shape }: Tensor): HostTensor {
  return { data: data instanceof Float32Array ? data : Float32Array.from(data, Number), shape };
}
