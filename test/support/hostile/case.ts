import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type GraphParts, model, node, tensor, value } from "../onnx-builder.js";

/** One broken model: what to write into an empty folder, and how it must be refused. */
export interface HostileCase {
  readonly name: string;
  /** Writes the model and returns the path to import. */
  readonly files: (directory: string) => string;
  readonly code: string;
  readonly message: RegExp;
}

export const x = value("x", "f32", [2, 3]);
export const y = value("y", "f32");
export const weight = tensor("w", "f32", [3], [1, 2, 3]);
export const add = node("Add", ["x", "w"], ["y"], {}, { name: "add_1" });

/** The bytes of y = x + w, with parts replaced. */
export function small(parts: GraphParts = {}, more: Parameters<typeof model>[1] = {}): Uint8Array {
  return model({ inputs: [x], outputs: [y], nodes: [add], initializers: [weight], ...parts }, more);
}

export function written(directory: string, bytes: Uint8Array): string {
  const file = join(directory, "model.onnx");
  writeFileSync(file, bytes);
  return file;
}

export function bytes(name: string, code: string, message: RegExp, content: () => Uint8Array): HostileCase {
  return { name, code: `TRITC_E_${code}`, message, files: (directory) => written(directory, content()) };
}
