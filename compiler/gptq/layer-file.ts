import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { encodeBytes } from "../../ir/constant/convert.js";
import { codeRowBytes, packCodeRow } from "../../ir/ternary/storage.js";
import type { TernaryRows } from "./gptq.js";
import type { PlannedLayer } from "./plan-model.js";

/** Bytes that are hashed at a time. */
const CHUNK_BYTES = 1 << 24;

/** The file of a planned model, layer by layer. */
export class LayerFile {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** That of an earlier run, which stays as it is where nothing is written, or a new one. */
  static async open(path: string): Promise<LayerFile> {
    return new LayerFile(await open(path, "r+").catch(() => open(path, "w+")));
  }

  /** Writes rows of a layer from row `start` on, but for what is lost. */
  async writeRows(layer: PlannedLayer, start: number, found: TernaryRows): Promise<void> {
    const { rows, columns, offset, codesBytes } = layer;
    const rowBytes = codeRowBytes("trits", columns);
    const packed = new Uint8Array(found.scales.length * rowBytes);
    for (let r = 0; r < found.scales.length; r++) {
      const codes = found.codes.subarray(r * columns, (r + 1) * columns);
      packCodeRow("trits", codes, packed.subarray(r * rowBytes, (r + 1) * rowBytes));
    }
    const scales = offset + codesBytes;
    await this.#write(packed, offset + start * rowBytes);
    await this.#write(encodeBytes("f32", found.scales), scales + 4 * start);
    await this.#write(
      encodeBytes("f32", found.bias ?? new Float32Array(found.scales.length)),
      scales + 4 * (rows + start),
    );
  }

  /** Writes the sums of a layer's errors and energies. All of the layer is on the disk when it resolves. */
  async writeLoss({ offset, bytes }: PlannedLayer, errors: number, energies: number): Promise<void> {
    await this.#write(encodeBytes("f64", Float64Array.of(errors, energies)), offset + bytes - 16);
    await this.#file.sync();
  }

  /** What a layer loses of its results' squares. */
  async loss({ offset, bytes }: PlannedLayer): Promise<number> {
    const sums = new Float64Array(2);
    await this.#file.read(new Uint8Array(sums.buffer), 0, 16, offset + bytes - 16);
    const [errors = 0, energies = 0] = sums;
    return energies > 0 ? Math.max(0, errors) / energies : 0;
  }

  /** SHA-256 of all that is of a layer. */
  async hash({ offset, bytes }: PlannedLayer): Promise<string> {
    const hash = createHash("sha256");
    for (let done = 0; done < bytes; ) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, bytes - done));
      const { bytesRead } = await this.#file.read(chunk, 0, chunk.length, offset + done);
      if (bytesRead === 0) break;
      hash.update(chunk.subarray(0, bytesRead));
      done += bytesRead;
    }
    return hash.digest("hex");
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #write(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }
}
