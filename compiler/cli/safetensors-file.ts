import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { TritcError } from "../../ir/errors.js";
import { headerLength, parseHeader, parseSafetensors } from "../../ir/format/safetensors.js";
import type { Tensor } from "../../ir/tensor.js";
import type { CommonOptions } from "./options.js";
import { STANDARD } from "./output.js";
import { collectTensors, STANDARD_INPUT, standardInput } from "./standard-input.js";

const HANDED_OVER = /^\/(dev|proc\/self)\/(fd\/\d+|stdin)$/;

/** All tensors of a safetensors file, or of standard input for `-`. */
export async function readTensors(
  path: string,
  options: Pick<CommonOptions, "io" | "input">,
): Promise<ReadonlyMap<string, Tensor>> {
  if (path === STANDARD)
    return parseSafetensors(await collectTensors(standardInput(options)), STANDARD_INPUT);
  // What a shell hands over as /dev/fd/63 has a writer; any other pipe might never get one.
  const isHandedOver = HANDED_OVER.test(path);
  const file = await open(path, constants.O_RDONLY | (isHandedOver ? 0 : (constants.O_NONBLOCK ?? 0)));
  try {
    const info = await file.stat();
    if (info.isFile()) {
      await checkHeader(file, info.size, path);
      return parseSafetensors(await file.readFile(), path);
    }
    // Pipes have no size to check against beforehand.
    if (isHandedOver) {
      return parseSafetensors(await collectTensors(file.createReadStream({ autoClose: false })), path);
    }
  } finally {
    await file.close();
  }
  throw new TritcError({
    code: "TRITC_E_FILE_READ",
    message: "this is neither a file nor a pipe of the shell's",
    place: path,
    expected: "a safetensors file",
    remedy: "give the path of a safetensors file, or - for standard input",
  });
}

/** Refuses a wrong file by its header, before its data is read. */
async function checkHeader(file: FileHandle, size: number, path: string): Promise<void> {
  const head = await read(file, 8);
  const length = headerLength(head, size, path);
  parseHeader(await read(file, 8 + length), size, path);
}

async function read(file: FileHandle, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}
