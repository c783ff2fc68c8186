import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolder } from "../make-folder.js";
import { Journal } from "../pack/journal.js";
import type { PackSource } from "../pack/source-files.js";
import { PlannedFile, type PlannedRange } from "./planned-file.js";

/** What work on the layers of a model says, and whether it goes on from an earlier run. */
export interface LayerWorkOptions {
  /** Whether to go on from what an earlier run left in the file's folder. */
  readonly resume: boolean;
  /** Rows of weights. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** There are layers that a later run need not do again. */
  readonly onKept?: (() => void) | undefined;
  /** Remarks for people. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

type Layer = PlannedRange & { readonly rows: number };

/**
 * Work that fills a planned file, which has a folder of its own, with the layers of a model one after the other. Each that is
 * done is noted in a journal, from which a later run goes on.
 */
export class LayerWork<L extends Layer> {
  readonly #done = new Set<L>();

  private constructor(
    readonly file: PlannedFile,
    private readonly layers: readonly L[],
    private readonly journal: Journal,
    private readonly source: PackSource,
    private readonly options: LayerWorkOptions,
  ) {}

  /** @param source what the file's bytes depend on; `already`: for messages, what layers are that are done */
  static async open<L extends Layer>(
    path: string,
    layers: readonly L[],
    source: PackSource,
    already: string,
    options: LayerWorkOptions,
  ): Promise<LayerWork<L>> {
    const folder = dirname(path);
    if (!options.resume) await rm(folder, { recursive: true, force: true });
    await makeFolder(folder);
    const { journal, records } = await Journal.open(join(folder, "journal"), source.identity);
    const file = await PlannedFile.open(path);
    const work = new LayerWork(file, layers, journal, source, options);
    const hashes = new Map(records.map(({ tensor, hash }) => [tensor, hash]));
    for (const layer of layers) {
      const hash = hashes.get(layer.role);
      if (hash !== undefined && hash === (await file.hash(layer))) work.#done.add(layer);
    }
    const count = work.#done.size;
    if (count > 0) {
      options.onKept?.();
      options.onNotice?.(`${count} of ${layers.length} layers are ${already} already`);
    }
    work.progress(0);
    return work;
  }

  isToDo(layer: L): boolean {
    return !this.#done.has(layer);
  }

  /** @param rows that are done of a layer that is not */
  progress(rows: number): void {
    this.options.onProgress?.(rowsOf([...this.#done]) + rows, rowsOf(this.layers));
  }

  /** A layer is all in the file. */
  async finish(layer: L): Promise<void> {
    await this.file.sync();
    const hash = await this.file.hash(layer);
    await this.journal.append([{ tensor: layer.role, at: 0, rows: layer.rows, hash, scales: "" }]);
    this.#done.add(layer);
    this.options.onKept?.();
  }

  /** Throws TRITC_E_SOURCE_CHANGED. */
  check(): void {
    this.source.check();
  }

  async close(): Promise<void> {
    await this.file.close();
    await this.journal.close();
  }
}

function rowsOf(layers: readonly Layer[]): number {
  return layers.reduce((sum, { rows }) => sum + rows, 0);
}
