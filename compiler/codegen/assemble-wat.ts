import type wabtInit from "wabt";
import { TritcError } from "../../ir/errors.js";

const FEATURES = { simd: true, threads: true, relaxed_simd: true, sat_float_to_int: true, bulk_memory: true };

let assembler: ReturnType<typeof wabtInit> | undefined;

/**
 * WebAssembly text → binary, checked. `place` names the template in errors, which show each faulty line of the
 * rendered text with its number.
 */
export async function assembleWat(source: string, place: string): Promise<Uint8Array<ArrayBuffer>> {
  // Half a megabyte of WebAssembly: loaded by whoever assembles.
  assembler ??= import("wabt").then((wabt) => wabt.default());
  const wabt = await assembler;
  try {
    const module = wabt.parseWat("kernel.wat", source, FEATURES);
    try {
      // The declared type leaves the features out; without them shared memory does not validate.
      const validated: { validate(features: typeof FEATURES): void } = module;
      validated.validate(FEATURES);
      return new Uint8Array(module.toBinary({}).buffer);
    } finally {
      module.destroy();
    }
  } catch (cause) {
    throw new TritcError({
      code: "TRITC_E_ASSEMBLE",
      message: `the rendered kernel is not valid WebAssembly\n${String(cause)}`,
      place,
      remedy: "line numbers are those of the rendered text; this is a defect of the template",
      cause,
    });
  }
}
