import { TritcError } from "../../ir/errors.js";
import { allLaunches } from "../../ir/program/phases.js";
import type { Kernel, Program } from "../../ir/program/program.js";
import { uniformArgs } from "../../targets/webgpu/abi.js";
import { wordBytes } from "../../targets/webgpu/memory.js";
import type { KernelCode } from "../device.js";
import { deviceError } from "./errors.js";

/** A kernel ready to dispatch. */
export interface CompiledKernel {
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Compiles the kernels that launches name, each as the variant that the device has the features for. */
export async function compileKernels(
  device: GPUDevice,
  features: ReadonlySet<string>,
  program: Program,
  code: KernelCode,
): Promise<ReadonlyMap<string, CompiledKernel>> {
  const kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  const used = new Set(allLaunches(program).map((launch) => launch.kernel));
  const compiled = await Promise.all(
    [...used].map(async (id) => {
      const kernel = chooseVariant(id, kernels, features);
      return [id, await compileKernel(device, kernel, code.source(kernel.id))] as const;
    }),
  );
  return new Map(compiled);
}

/** The kernel of an id, or the first of its fallbacks that needs nothing the device lacks. */
function chooseVariant(
  id: string,
  kernels: ReadonlyMap<string, Kernel>,
  features: ReadonlySet<string>,
): Kernel {
  let missing: readonly string[] = [];
  for (let at: string | null = id; at !== null; ) {
    const kernel: Kernel | undefined = kernels.get(at);
    if (kernel === undefined) throw new RangeError(`the program has no kernel ${at}`);
    const lacks = kernel.features.filter((feature) => !features.has(feature));
    if (lacks.length === 0) return kernel;
    missing = lacks;
    at = kernel.fallback;
  }
  throw new TritcError({
    code: "TRITC_E_WEBGPU_FEATURE",
    message: "the WebGPU device lacks a feature that a kernel needs",
    place: `kernel ${id}`,
    expected: missing.join(", "),
    found: [...features].join(", "),
    remedy: missing.includes("shader-f16")
      ? "use a device with shader-f16 (`tritc doctor` says what this one has), or compile with --activations int8 or f32"
      : "compile for the target webgpu, which needs no optional features",
  });
}

async function compileKernel(device: GPUDevice, kernel: Kernel, source: string): Promise<CompiledKernel> {
  const place = `kernel ${kernel.id}`;
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ label: kernel.id, code: source });
  const scope = device.popErrorScope();
  const { messages } = await module.getCompilationInfo();
  const error = await scope;
  const fault = messages.find((message) => message.type === "error");
  if (fault !== undefined) throw sourceError(kernel, source, fault);
  if (error !== null) throw deviceError(place, error);
  const layout = device.createBindGroupLayout({ label: kernel.id, entries: layoutEntries(kernel) });
  const pipeline = await device
    .createComputePipelineAsync({
      label: kernel.id,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "main" },
    })
    .catch((cause: unknown) => {
      throw deviceError(place, cause instanceof Error ? cause : new Error(String(cause)));
    });
  return { kernel, pipeline, layout };
}

/** Arguments in order, then the launch words at a dynamic offset. */
function layoutEntries(kernel: Kernel): GPUBindGroupLayoutEntry[] {
  const visibility = GPUShaderStage.COMPUTE;
  const uniform = uniformArgs(kernel.args);
  const entries = kernel.args.map((arg, binding): GPUBindGroupLayoutEntry => {
    const storage = arg.access === "read" ? "read-only-storage" : "storage";
    return { binding, visibility, buffer: { type: uniform.has(binding) ? "uniform" : storage } };
  });
  const words = { type: "uniform", hasDynamicOffset: true, minBindingSize: wordBytes(kernel) } as const;
  return [...entries, { binding: kernel.args.length, visibility, buffer: words }];
}

function sourceError(kernel: Kernel, source: string, fault: GPUCompilationMessage): TritcError {
  const line = source.split("\n")[fault.lineNum - 1];
  return new TritcError({
    code: "TRITC_E_WGSL",
    message: `WGSL does not compile: ${fault.message}`,
    place: `kernels/${kernel.id}.wgsl:${fault.lineNum}:${fault.linePos}`,
    ...(line === undefined ? {} : { found: line.trim() }),
    remedy: `this is a defect of the ${kernel.family} template; please report it with the kernel's parameters ${JSON.stringify(kernel.params)}`,
  });
}
