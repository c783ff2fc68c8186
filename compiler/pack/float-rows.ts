import type { TernaryFitting } from "../../ir/constant/constant.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import { codeRowBytes, type TernaryStorage } from "../../ir/ternary/storage.js";
import { assembleRowKernel, KERNEL_BYTES, type RowKernel } from "./kernel.js";

/** Rows of f32 as ternary codes, packed, and their scales; undefined where a row is not finite. */
export type PackFloats = (
  values: Float32Array,
  width: number,
  fitting: Pick<TernaryFitting, "method" | "group">,
  storage: TernaryStorage,
) => { readonly bytes: Uint8Array; readonly scales: Float32Array } | undefined;

const PAGE = 65536;

/** Packs rows that are in memory as packers do those of files, in this thread. */
export async function openFloatPacker(): Promise<PackFloats> {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(KERNEL_BYTES / PAGE) });
  const module = await WebAssembly.compile(await assembleRowKernel("f32"));
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const { ternarize } = exports as unknown as RowKernel;
  return (values, width, { method, group = null }, storage) => {
    const count = values.length / width;
    const outBytes = count * codeRowBytes(storage, width);
    const scales = KERNEL_BYTES + values.byteLength;
    const scratch = scales + 4 * count * groupsOf(width, group);
    const out = scratch + 4 * width;
    const missing = out + outBytes - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
    new Float32Array(memory.buffer, KERNEL_BYTES, values.length).set(values);
    const [absmean, twoBit] = [Number(method === "absmean"), Number(storage === "2bit")];
    const size = Math.min(group ?? width, width);
    const from = KERNEL_BYTES;
    const bad = ternarize(from, count, 4 * width, width, size, absmean, twoBit, out, scales, scratch);
    if (bad >= 0) return undefined;
    return {
      bytes: new Uint8Array(memory.buffer).slice(out, out + outBytes),
      scales: new Float32Array(memory.buffer, scales, (scratch - scales) / 4),
    };
  };
}
