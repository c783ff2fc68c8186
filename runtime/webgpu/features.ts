import { lanesFeature } from "../../ir/families/launch/features.js";

/** A product of matrices that subgroups of a device have, as Dawn describes it. */
interface MatrixProduct {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** What adapters say of subgroups; the matrices are Dawn's own, and no part of WebGPU. */
type SubgroupInfo = Partial<Pick<GPUAdapterInfo, "subgroupMinSize" | "subgroupMaxSize">> & {
  readonly subgroupMatrixConfigs?: Iterable<MatrixProduct>;
};

/** Sums of int8 are i32, of f16 f32. */
const SUMS: Readonly<Record<string, string>> = { i8: "i32", f16: "f32" };

/** Compiles only where the language has packed dot products; there is no other way to ask in every host. */
const PACKED_PROBE = `requires packed_4x8_integer_dot_product;
@group(0) @binding(0) var<storage, read_write> sums: array<i32>;
@compute @workgroup_size(1) fn main() { sums[0] = dot4I8Packed(u32(sums[0]), 1u); }`;

/** Features named after the size of subgroups, where there is but one, and the matrices that they multiply. */
export function subgroupFeatures(
  features: ReadonlySet<string>,
  { subgroupMinSize: least, subgroupMaxSize: most, subgroupMatrixConfigs = [] }: SubgroupInfo,
): readonly string[] {
  const lanes =
    features.has("subgroups") && least === most && least !== undefined ? [lanesFeature(least)] : [];
  if (!features.has("chromium-experimental-subgroup-matrix")) return lanes;
  const products = [...subgroupMatrixConfigs].filter(
    ({ componentType, resultComponentType }) => SUMS[componentType] === resultComponentType,
  );
  return [
    ...lanes,
    ...products.map(({ componentType, M, N, K }) => `subgroup-matrix-${componentType}-${M}x${N}x${K}`),
  ];
}

/**
 * What kernels may name in `features`: the device's own, `packed_4x8_integer_dot_product` where WGSL has it, and
 * `hardware` unless the adapter runs on the CPU, where workgroup memory is ordinary memory and barriers switch tasks; and what
 * `subgroupFeatures` says.
 */
export async function kernelFeatures(
  device: GPUDevice,
  info: SubgroupInfo,
  hardware: boolean,
): Promise<ReadonlySet<string>> {
  const own = new Set<string>(device.features);
  const features = new Set([...own, ...subgroupFeatures(own, info)]);
  if (hardware) features.add("hardware");
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: PACKED_PROBE });
  const error = await device.popErrorScope();
  const { messages } = await module.getCompilationInfo();
  if (error === null && messages.every((message) => message.type !== "error")) {
    features.add("packed_4x8_integer_dot_product");
  }
  return features;
}
