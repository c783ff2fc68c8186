import { afterAll, beforeAll } from "vitest";
import type { Device } from "../../runtime/device.js";
import { createNodeWebGpuDevice } from "../../runtime/node/webgpu-device.js";
import { webgpu } from "../../targets/index.js";
import type { KernelDevices } from "./kernel-devices.js";

/**
 * The software adapter as one that has `features`: where it lacks some, sources are rewritten to what it has, which computes the
 * same with each rounding in its place. A driver that has them (`VK_DRIVER_FILES`) runs them as they are.
 */
export function featureDevices(features: readonly string[]): KernelDevices {
  const made: Record<string, Device> = {};
  beforeAll(async () => {
    for (const [name, hardware] of [
      ["plain", false],
      ["hardware", true],
    ] as const) {
      const device = await createNodeWebGpuDevice({ software: "always", hardware });
      made[name] = features.every((feature) => device.has(feature)) ? device : rewriting(device, features);
    }
  });
  afterAll(async () => {
    for (const device of Object.values(made)) await device.close();
  });
  return { target: webgpu, devices: () => made, sameBits: false };
}

/** A device whose kernels need none of these features. */
function rewriting(device: Device, features: readonly string[]): Device {
  return {
    ...device,
    has: (feature) => features.includes(feature) || device.has(feature),
    load: (program, code, weights, options) =>
      device.load(
        {
          ...program,
          kernels: program.kernels.map((kernel) => ({
            ...kernel,
            features: kernel.features.filter((feature) => !features.includes(feature)),
          })),
        },
        { ...code, source: (id) => withoutHalf(withoutMatrices(code.source(id))) },
        weights,
        options,
      ),
  };
}

const PRODUCT = String.raw`(\S+ \* \S+)`;

/** To nearest, of ties to even: WGSL's quantizeToF16 may cut off, and does in SwiftShader. */
const HALVED = `
fn halved(x: f32) -> f32 {
  if (abs(x) < 6.103515625e-5) { return round(x * 16777216.0) / 16777216.0; }
  let bits = bitcast<u32>(x);
  return bitcast<f32>((bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u);
}
fn halves(x: vec4<f32>) -> vec4<f32> { return vec4<f32>(halved(x.x), halved(x.y), halved(x.z), halved(x.w)); }
`;

/** f16 in f32 that is rounded to it. */
export function withoutHalf(source: string): string {
  if (!source.includes("enable f16;")) return source;
  const sums = new RegExp(`f32\\(${PRODUCT} \\+ ${PRODUCT} \\+ ${PRODUCT} \\+ ${PRODUCT}\\)`, "g");
  const rewritten = source
    .replace("enable f16;\n", "")
    .replace(sums, "halved(halved(halved($1 + $2) + $3) + $4)")
    .replace(/return vec4<f16>\((clamp\(.*\))\);/, "return halves($1);")
    .replace(/\bf16\b/g, "f32");
  return `${rewritten}${HALVED}`;
}

const LOAD = /subgroupMatrixLoad<subgroup_matrix_(left|right)<(\w+), (\d+), (\d+)>, \w+>\(&(\w+), /g;

/**
 * Matrices of subgroups as arrays that each invocation has for itself, on an adapter with subgroups of four: a subgroup of another
 * size is that many neighbours.
 */
export function withoutMatrices(source: string): string {
  if (!source.includes("chromium_experimental_subgroup_matrix")) return source;
  const [, sum = "", n = "", m = ""] = /subgroup_matrix_result<(\w+), (\d+), (\d+)>/.exec(source) ?? [];
  const [, , , k = ""] = /subgroup_matrix_right<(\w+), (\d+), (\d+)>/.exec(source) ?? [];
  const lanes = /i \+= (\d+)u\) \{\n {4}let m =/.exec(source)?.[1] ?? "";
  const packed = sum === "i32";
  const element = (tile: string) =>
    packed
      ? `(bitcast<i32>(${tile}[at + row * pitch + i / 4u]) << (24u - 8u * (i % 4u))) >> 24u`
      : `f32(${tile}[at + row * pitch + i])`;
  const loader = (side: string, tile: string, rows: string) => `
fn ${side}From(at: u32, pitch: u32) -> array<${sum}, ${Number(rows) * Number(k)}> {
  var found: array<${sum}, ${Number(rows) * Number(k)}>;
  for (var row = 0u; row < ${rows}u; row++) {
    for (var i = 0u; i < ${k}u; i++) { found[row * ${k}u + i] = ${element(tile)}; }
  }
  return found;
}`;
  const size = Number(m) * Number(n);
  const helpers = `${loader("left", "rowTile", m)}${loader("right", "weightTile", n)}
fn added(x: array<${sum}, ${Number(m) * Number(k)}>, w: array<${sum}, ${Number(n) * Number(k)}>, before: array<${sum}, ${size}>) -> array<${sum}, ${size}> {
  var sums = before;
  var left = x;
  var right = w;
  for (var r = 0u; r < ${m}u; r++) {
    for (var c = 0u; c < ${n}u; c++) {
      for (var i = 0u; i < ${k}u; i++) { sums[r * ${n}u + c] += left[r * ${k}u + i] * right[c * ${k}u + i]; }
    }
  }
  return sums;
}
fn stored(own: u32, member: u32, found: array<${sum}, ${size}>) {
  var sums = found;
  for (var i = member; i < ${size}u; i += ${lanes}u) { leaving[own + i] = sums[i]; }
}
`;
  return `${source
    .replace("enable subgroups;\n", "")
    .replace("enable chromium_experimental_subgroup_matrix;\n", "")
    .replace(
      /,\n {2}@builtin\(subgroup_id\).*\n.*,\n\) \{/,
      `,\n) {\n  let subgroup = lane / ${lanes}u;\n  let member = lane % ${lanes}u;`,
    )
    .replace(LOAD, (_, side: string) => `${side}From(`)
    .replaceAll("subgroupMatrixMultiplyAccumulate(", "added(")
    .replace(/subgroupMatrixStore<row_major>\(&leaving, own, (\w+), \d+u\)/g, "stored(own, member, $1)")
    .replace(/subgroup_matrix_result<[^>]*>/g, `array<${sum}, ${size}>`)}\n${helpers}`;
}
