import { BLOCK_LAYOUTS, blockConstant } from "../../../ir/constant/blocks/index.js";
import type { Constant } from "../../../ir/constant/constant.js";
import { byteLength } from "../../../ir/dtype.js";
import { someOf } from "../errors.js";
import type { StoredTensors } from "../tensors.js";
import { ggufError } from "./errors.js";
import { type GgufEntry, type GgufHeader, readGgufHeader } from "./header.js";
import { type GgufForm, kindOf, READ_KINDS } from "./kinds.js";
import { partsOf } from "./parts.js";
import { twoBitBlocks } from "./two-bit.js";

/** Weights in a basis of their own, which the layers that read them would have to turn back. */
const ROTATED = "prism.hadamard.";

/**
 * The tensors of a GGUF file, or of all parts of a model that one belongs to, as constants that name their bytes;
 * nothing of them is read. Throws TRITC_E_GGUF where the file is damaged, or holds what is not read.
 */
export function ggufTensors(file: string): StoredTensors {
  const constants = new Map<string, Constant>();
  for (const part of partsOf(readGgufHeader(file))) {
    refuseRotated(part);
    refuseKinds(part);
    const twoBit = twoBitBlocks(part);
    for (const entry of part.entries) {
      if (constants.has(entry.name)) {
        throw ggufError({
          place: `${part.file}: ${entry.name}`,
          message: "two parts of the model have a tensor of one name",
          remedy: "download all parts again: they are of two versions",
        });
      }
      const { form } = kindOf(entry.kind);
      if (form === undefined) throw new Error("an unread kind was refused before");
      const isTwoBit = "blocks" in form && form.blocks === "Q2_0";
      constants.set(entry.name, constantOf(entry, isTwoBit ? { blocks: twoBit } : form, part.file));
    }
  }
  return { constants, unread: new Map() };
}

function constantOf(entry: GgufEntry, form: GgufForm, file: string): Constant {
  const { name, shape, elements, offset, next } = entry;
  const place = `${file}: ${name}`;
  const [width = 1] = shape.slice(-1);
  const block = "blocks" in form ? BLOCK_LAYOUTS[form.blocks] : undefined;
  if (block !== undefined && width % block.elements !== 0) {
    throw ggufError({
      place,
      message: "the tensor's rows are not whole blocks",
      expected: `a multiple of ${block.elements} for ${kindOf(entry.kind).name}`,
      found: `[${shape.join(", ")}]`,
    });
  }
  const length =
    "dtype" in form
      ? byteLength(form.dtype, elements)
      : (elements / (block?.elements ?? 1)) * (block?.bytes ?? 0);
  if (offset + length > next) {
    throw ggufError({
      place,
      message: "the tensor's data run into the next tensor's, or past the end of the file",
      expected: `${length} bytes at byte ${offset}`,
      found: `${next - offset} bytes`,
    });
  }
  const source = { kind: "file", file, offset, length } as const;
  return "dtype" in form ? { dtype: form.dtype, shape, source } : blockConstant(form.blocks, shape, source);
}

function refuseRotated({ file, metadata }: GgufHeader): void {
  const key = [...metadata.keys()].find((name) => name.startsWith(ROTATED));
  if (key === undefined) return;
  throw ggufError({
    place: `${file}: ${key}`,
    message: "the weights are stored in a rotated basis, which is not read",
    expected: "weights as the layers multiply them",
    found: key,
    remedy:
      "use a file of the same model without prism.hadamard.* in its metadata, or its unpacked safetensors",
  });
}

function refuseKinds({ file, entries }: GgufHeader): void {
  const counts = new Map<string, number>();
  for (const { kind } of entries) {
    const { name, form } = kindOf(kind);
    if (form === undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  if (counts.size === 0) return;
  throw ggufError({
    place: file,
    message: "the file has tensors of kinds that are not read",
    expected: READ_KINDS.join(", "),
    found: someOf([...counts].map(([name, count]) => `${name} x${count}`)),
    remedy: "use a file of the same model in one of these kinds, or its safetensors",
  });
}
