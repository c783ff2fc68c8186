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
        return [name, { dtype: "f32", ...feed } satisfies Tensor] as const;
      });
      const outputs = await evaluateBundle(loaded, program, new Map(inputs));
      return new Map([...outputs].map(([name, tensor]) => [name, hostTensor(tensor)]));
    },
    close: () => loaded.close(),
  };
}

function hostTensor({ data, shape }: Tensor): HostTensor {
  return { data: data instanceof Float32Array ? data : Float32Array.from(data, Number), shape };
}
