/** Small FLUX transformers compiled for devices that cannot hold their joint buffers: the same numbers. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchAxesOf, type Compiled, compileGraph, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { type MemoryLimits, UNLIMITED } from "../../compiler/pass.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { openAdapter } from "../../runtime/node/webgpu.js";
import { createWebGpuDevice } from "../../runtime/webgpu/device.js";
import { cpu, type Target, webgpu } from "../../targets/index.js";
import { buildFlux, fluxInputs } from "../support/flux-builder.js";
import { type FluxStyle, STYLES, TINY } from "../support/flux-style.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";

const SIZE = { ...TINY, mlp: 128 };
const TOKENS = { img: 121, txt: 38 };
const ROWS = TOKENS.img + TOKENS.txt;
const WIDTH = SIZE.heads * SIZE.axes.reduce((a, b) => a + b);
/** As FLUX at 1024x1024 in a browser: a buffer holds the MLP's rows but not attention's beside them, a binding k or v. */
const LIMITS: MemoryLimits = {
  maxBufferBytes: 4 * ROWS * (WIDTH + SIZE.mlp) - 4,
  maxBindingBytes: 4 * ROWS * 2 * WIDTH,
};

const folder = mkdtempSync(join(tmpdir(), "tritc-limits-"));
const reader = fileReader();
afterAll(() => {
  reader.close();
  rmSync(folder, { recursive: true });
});

function recognizedStyle(name: string) {
  const file = join(folder, `${name}.onnx`);
  writeFileSync(file, buildFlux(STYLES[name] as FluxStyle, SIZE));
  const model = importOnnx(file);
  return { model, recognized: recognize(model, reader) };
}

async function compiled(
  { model, recognized }: ReturnType<typeof recognizedStyle>,
  target: Target,
  limits: MemoryLimits,
): Promise<Compiled> {
  return compileGraph(recognized, reader, {
    target: { ...target, limits: { ...target.limits, ...limits } },
    options: { ternarize: "exact", activations: "int8" },
    sizes: { img_tokens: TOKENS.img, txt_tokens: TOKENS.txt },
    batchAxes: batchAxesOf(model, recognized),
  });
}

function inputsOf(style: FluxStyle): Map<string, Tensor> {
  const given = fluxInputs(style, SIZE, TOKENS, { timestep: 0.875, guidance: 3.5 }, 7);
  return new Map(
    Object.entries(given).map(([name, { type, dims, values }]): [string, Tensor] => {
      if (type === "i64")
        return [name, { dtype: type, shape: dims, data: BigInt64Array.from(values, BigInt) }];
      if (type === "i32") return [name, { dtype: type, shape: dims, data: Int32Array.from(values) }];
      return [name, { dtype: "f32", shape: dims, data: Float32Array.from(values) }];
    }),
  );
}

const dynamic = Object.keys(STYLES).filter((name) => STYLES[name]?.tokens !== null);

/** A device that holds to the limits, and one that runs the reference. */
interface Devices {
  readonly limited: Device;
  readonly unlimited: Device;
}

async function cpuDevices(): Promise<Devices> {
  const device = await createNodeCpuDevice({ threads: 2 });
  return { limited: device, unlimited: device };
}

/** Both on one device of the adapter, which compiles each shader once: the software adapter is slow at it. */
async function webgpuDevices(): Promise<Devices> {
  const { adapter } = await openAdapter({ software: "always" });
  let requested: Promise<GPUDevice> | undefined;
  const one: GPUAdapter = Object.create(adapter, {
    info: { value: adapter.info },
    features: { value: adapter.features },
    limits: { value: adapter.limits },
    requestDevice: {
      value: (wanted: GPUDeviceDescriptor) => (requested ??= adapter.requestDevice(wanted)),
    },
  });
  return {
    limited: await createWebGpuDevice(one, { limits: LIMITS }),
    unlimited: await createWebGpuDevice(one),
  };
}

describe.each([
  { target: cpu, names: dynamic, open: cpuDevices },
  {
    target: webgpu,
    // The software adapter compiles shaders slowly.
    names: ["torchscript", "original implementation"],
    open: webgpuDevices,
  },
])("$target.name", ({ target, names, open }) => {
  let devices: Devices;
  beforeAll(async () => {
    devices = await open();
  }, 120_000);
  afterAll(async () => {
    await devices.limited.close();
    await devices.unlimited.close();
  });

  it.each(names)(
    "%s",
    async (name) => {
      const style = STYLES[name] as FluxStyle;
      const model = recognizedStyle(name);
      const limited = await compiled(model, target, LIMITS);
      const { program } = limited.lowered;
      const parts = program.kernels.map(({ params }) => JSON.stringify(params.parts));
      expect(parts.filter((of) => of === `[${WIDTH},${SIZE.mlp}]`)).toHaveLength(1);
      const inputs = inputsOf(style);
      const found = (await runCompiled(limited, reader, devices.limited, inputs)).get(style.output);
      const unlimited = await compiled(model, target, UNLIMITED);
      expect(unlimited.lowered.program.kernels.every(({ params }) => params.parts === undefined)).toBe(true);
      const wanted = (await runCompiled(unlimited, reader, devices.unlimited, inputs)).get(style.output);
      expect(relativeError(found, wanted)).toBe(0);
    },
    120_000,
  );
});
