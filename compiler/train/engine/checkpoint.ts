import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { encodeBytes } from "../../../ir/constant/convert.js";
import { encodeHeader, entryTensor, type TensorSpec } from "../../../ir/format/safetensors.js";
import type { ValueId } from "../../../ir/graph/graph.js";
import { printType } from "../../../ir/graph/print.js";
import type { Tensor } from "../../../ir/tensor.js";
import { writeFileAtomic } from "../../atomic-file.js";
import { readHeader } from "../../checkpoint/tensors.js";
import { type FileReader, fileReader } from "../../file-reader.js";
import { isPlainlyFinite } from "../../pack/finite.js";
import type { Engine, StepProgram } from "./engine.js";
import { badCheckpoint, diverged } from "./errors.js";
import { portType } from "./values.js";

/** All state of a training in a safetensors file, and what was noted beside it. */
export interface Checkpoint {
  /** As `JSON.parse` gives it. */
  readonly notes: unknown;
  read(id: ValueId): Tensor;
  close(): void;
}

/** The last tensor: SHA-256 of all bytes before it. */
const DIGEST: TensorSpec = { name: "__sha256__", dtype: "u8", shape: [32] };
const DIGEST_BYTES = 32;
/** Where the notes are in the file's metadata. */
const NOTES = "tritc-training";
const CHUNK_BYTES = 8 << 20;

/**
 * Writes the state of an engine, tensor by tensor, so that the path holds what it held before or all of the new.
 *
 * @throws TritcError `TRITC_E_DIVERGED` if it is not finite, `TRITC_E_SYSTEM`
 */
export async function writeCheckpoint(
  path: string,
  program: StepProgram,
  engine: Engine,
  notes: unknown,
): Promise<void> {
  await writeFileAtomic(path, async (file) => {
    const hash = createHash("sha256");
    const write = async (bytes: Uint8Array): Promise<void> => {
      hash.update(bytes);
      await file.writeFile(bytes);
    };
    await write(encodeHeader([...specsOf(program), DIGEST], { [NOTES]: JSON.stringify(notes) }));
    for (const { input } of program.state) {
      const { dtype, data } = await engine.read(input);
      if (!isFiniteData(data)) throw diverged(`graph ${program.graph.name}`, `NaN or infinity in ${input}`);
      await write(encodeBytes(dtype, data));
    }
    await file.writeFile(hash.digest());
  });
}

/**
 * Opens what `writeCheckpoint` wrote, once all of its bytes have proved to be those that were written; undefined if there
 * is no file.
 *
 * @throws TritcError `TRITC_E_TRAINING_STATE` if it is damaged or its state is another than the program's,
 *   `TRITC_E_FILE_READ`
 */
export async function openCheckpoint(path: string, program: StepProgram): Promise<Checkpoint | undefined> {
  if (!existsSync(path)) return undefined;
  const reader = fileReader();
  try {
    await checkDigest(path, reader);
    const { entries, metadata } = readHeader(path, reader);
    checkTensors(path, [...specsOf(program), DIGEST], [...entries.values()]);
    return {
      notes: JSON.parse(metadata.get(NOTES) ?? "null"),
      read(id) {
        const entry = entries.get(id);
        if (entry === undefined) throw new Error(`no state ${id}`);
        return entryTensor(entry, reader.read(path, entry.offset, entry.length));
      },
      close: () => reader.close(),
    };
  } catch (error) {
    reader.close();
    throw error;
  }
}

/** In the order of the file. */
function specsOf({ graph, state }: StepProgram): readonly TensorSpec[] {
  return state.map(({ input }) => ({ name: input, ...portType(graph, input) }));
}

function checkTensors(path: string, wanted: readonly TensorSpec[], found: readonly TensorSpec[]): void {
  const text = (specs: readonly TensorSpec[], i: number): string => {
    const spec = specs[i];
    return spec === undefined ? "no more tensors" : `${spec.name}: ${printType(spec)}`;
  };
  for (let i = 0; i < Math.max(wanted.length, found.length); i++) {
    if (text(wanted, i) === text(found, i)) continue;
    throw badCheckpoint(path, "the checkpoint is of another training", text(wanted, i), text(found, i));
  }
}

function isFiniteData(data: Tensor["data"]): boolean {
  if (data instanceof Float32Array) return isPlainlyFinite(data) || data.every(Number.isFinite);
  return !(data instanceof Float64Array) || data.every(Number.isFinite);
}

async function checkDigest(path: string, reader: FileReader): Promise<void> {
  const { size } = statSync(path);
  const end = Math.max(0, size - DIGEST_BYTES);
  const hash = createHash("sha256");
  for (let at = 0; at < end; at += CHUNK_BYTES) {
    hash.update(reader.read(path, at, Math.min(CHUNK_BYTES, end - at)));
    await setImmediate();
  }
  if (hash.digest().equals(reader.read(path, end, size - end))) return;
  const expected = "a file that ends with the SHA-256 of its bytes";
  throw badCheckpoint(path, "the checkpoint is damaged", expected, `${size} bytes that do not`);
}
