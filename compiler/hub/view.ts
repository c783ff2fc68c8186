import { existsSync } from "node:fs";
import {
  type FileHandle,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  realpath,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { type ByteSpan, joinSpans, SparseFile } from "../sparse-files.js";
import { removeOnExit } from "../temporary.js";
import { writeAt } from "./download.js";
import { eachOf, type PreparedModel } from "./prepare.js";
import { fetchRange, NotByRanges, type RangeSource } from "./ranges.js";

/** Bytes at the beginning of a file that are taken at once: headers are there. */
const HEAD_BYTES = 1 << 18;
const HAS_HEADER = /\.(?:safetensors|sft|gguf)$/i;
/**
 * Bytes that cost less than another request. So many come behind each span: first rows lie behind biases. Spans that then lie no
 * further apart are one.
 */
const NEAR = 1 << 15;
/** Ranges that are received at the same time: they are short, and most of their time is waiting. */
const CONNECTIONS = 8;
/** What parts may come to, in bytes and as a share of the files. */
const MOST_BYTES = 1 << 30;
const MOST_SHARE = 1 / 4;

interface Part extends RangeSource {
  readonly sparse: SparseFile;
  readonly handle: FileHandle;
}

/**
 * A model as a folder of temporary files: links to what is in the cache, and for what is not, sparse files that the bytes are
 * written into which are read. The cache gets none of them.
 */
export class ModelView {
  /** What a command is given in the place of the snapshot. */
  readonly path: string;
  readonly #folder: string;
  readonly #isGone: () => void;
  readonly #parts: Part[] = [];
  readonly #model: PreparedModel;
  #taken = 0;

  private constructor(model: PreparedModel, folder: string) {
    this.#model = model;
    this.#folder = folder;
    this.#isGone = removeOnExit(folder);
    // Messages show what follows the folder.
    this.path = join(folder, ...model.name.split("/"), model.reference.file ?? "");
  }

  /** Throws NotByRanges where the system has no room for sparse files, or no links. */
  static async open(model: PreparedModel): Promise<ModelView> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "tritc-hub-")));
    const view = new ModelView(model, folder);
    try {
      await view.#fill().catch((error) => {
        throw new NotByRanges(`no sparse files in ${tmpdir()}: ${error.message}`);
      });
      await view.#fetch((part) => (HAS_HEADER.test(part.file.path) ? [{ begin: 0, end: HEAD_BYTES }] : []));
      return view;
    } catch (error) {
      await view.close();
      throw error;
    }
  }

  async #fill(): Promise<void> {
    const { repository, commit, name, absent } = this.#model;
    const [root, snapshot] = [join(this.#folder, name), repository.snapshot(commit)];
    const isAbsent = new Set(absent.map(({ path }) => join(root, path)));
    const there = existsSync(snapshot) ? await readdir(snapshot, { recursive: true, encoding: "utf8" }) : [];
    for (const path of there) {
      const [from, to] = [join(snapshot, path), join(root, path)];
      if (isAbsent.has(to) || !(await stat(from).catch(() => undefined))?.isFile()) continue;
      await mkdir(dirname(to), { recursive: true });
      await symlink(from, to).catch(async () => link(await realpath(from), to));
    }
    for (const file of absent) {
      const path = join(root, file.path);
      await mkdir(dirname(path), { recursive: true });
      const handle = await open(path, "wx+");
      this.#parts.push({ file, handle, sparse: new SparseFile(path) });
      await handle.truncate(file.bytes);
    }
  }

  /** Bytes that came. */
  get taken(): number {
    return this.#taken;
  }

  /** Does work, and gives what comes of it if nothing was read in it that is not here. */
  async attempt<T>(work: (path: string) => Promise<T>): Promise<(() => T) | undefined> {
    for (const { sparse } of this.#parts) sparse.missed.length = 0;
    const end = await work(this.path).then(
      (value) => () => value,
      (error) => () => {
        throw this.#named(error);
      },
    );
    this.#model.signal?.throwIfAborted();
    return this.#parts.every(({ sparse }) => sparse.missed.length === 0) ? end : undefined;
  }

  /** An error by the model's name: when somebody reads it, the folder is gone. */
  #named(error: unknown): unknown {
    if (!(error instanceof TritcError)) return error;
    const { details } = error;
    const named = (text: string) => text.replaceAll(`${this.#folder}${sep}`, "");
    return new TritcError({
      ...details,
      message: named(details.message),
      ...(details.place !== undefined && { place: named(details.place) }),
      ...(details.found !== undefined && { found: named(details.found) }),
    });
  }

  /** Brings what was read in the last attempt and was not here. Throws NotByRanges and what `fetchRange` does. */
  fetchMissed(): Promise<void> {
    return this.#fetch(({ sparse }) => sparse.missed);
  }

  async #fetch(wanted: (part: Part) => readonly ByteSpan[]): Promise<void> {
    const spans = this.#parts.flatMap((part) =>
      joinSpans(wanted(part), 2 * NEAR).map(({ begin, end }) => ({
        ...{ part, begin, end: Math.min(end + NEAR, part.file.bytes) },
      })),
    );
    const bytes = spans.reduce((sum, { begin, end }) => sum + end - begin, 0);
    const all = this.#parts.reduce((sum, { file }) => sum + file.bytes, 0);
    this.#taken += bytes;
    if (this.#taken > Math.min(MOST_BYTES, MOST_SHARE * all))
      throw new NotByRanges("more of the weights is read than a small part");
    this.#model.expect(bytes);
    await eachOf(
      spans,
      async ({ part, ...span }) => {
        await fetchRange(part, span, (chunk, at) => writeAt(part.handle, chunk, at), this.#model);
        part.sparse.add(span);
      },
      CONNECTIONS,
    );
  }

  async close(): Promise<void> {
    for (const { handle, sparse } of this.#parts) {
      sparse.release();
      await handle.close();
    }
    await rm(this.#folder, { recursive: true, force: true });
    this.#isGone();
  }
}
