/** Compiles only where the language has packed dot products; there is no other way to ask in every host. */
const PACKED_PROBE = `requires packed_4x8_integer_dot_product;
@group(0) @binding(0) var<storage, read_write> sums: array<i32>;
@compute @workgroup_size(1) fn main() { sums[0] = dot4I8Packed(u32(sums[0]), 1u); }`;

/**
 * What kernels may name in `features`: the device's own, `packed_4x8_integer_dot_product` where WGSL has it, and
 * `hardware` unless the adapter runs on the CPU, where workgroup memory is ordinary memory and barriers switch tasks.
 */
export async function kernelFeatures(device: GPUDevice, hardware: boolean): Promise<ReadonlySet<string>> {
  const features = new Set<string>(device.features);
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
