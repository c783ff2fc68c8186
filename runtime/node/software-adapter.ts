import { createHash, randomUUID } from "node:crypto";
import { access, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { TritcError } from "../../ir/errors.js";
import { cacheDir } from "./cache-dir.js";
import { makeFolder } from "./make-folder.js";
import { installCommand } from "./optional-package.js";
import { readTar } from "./tar.js";

/** SwiftShader, a Vulkan driver that runs on the CPU, unpacked and ready to load. */
export interface SoftwareVulkan {
  /** The Vulkan loader, for systems that have none. */
  readonly loader: string;
  /** The driver manifest that `VK_ICD_FILENAMES` names. */
  readonly icd: string;
}

const PACKAGE = "@sparticuz/chromium";
const ARCHIVE = join("bin", "swiftshader.tar.br");
const LOADER = "libvulkan.so.1";
const ICD = "vk_swiftshader_icd.json";
/** The archive also holds an OpenGL ES driver, which nothing here needs. */
const NEEDED = [LOADER, "libvk_swiftshader.so", ICD] as const;
/** Written last and renamed into place with the rest: the size in bytes of each file. */
const SIZES = "sizes.json";
/** Several times the real size: a damaged archive must not fill the memory. */
const MAX_UNPACKED_BYTES = 128 * 2 ** 20;

/** The archive of the installed package, or undefined where it is not installed. */
async function findArchive(): Promise<string | undefined> {
  const require = createRequire(import.meta.url);
  let folder: string;
  try {
    folder = dirname(require.resolve(PACKAGE));
  } catch {
    return undefined;
  }
  for (let parent = dirname(folder); parent !== folder; folder = parent, parent = dirname(folder)) {
    const archive = join(folder, ARCHIVE);
    if (await exists(archive)) return archive;
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Whether every file is there in the size that was written: a full disk or a killed process leaves shorter ones. */
async function isComplete(folder: string): Promise<boolean> {
  try {
    const sizes: unknown = JSON.parse(await readFile(join(folder, SIZES), "utf8"));
    if (typeof sizes !== "object" || sizes === null) return false;
    const expected = new Map<string, unknown>(Object.entries(sizes));
    for (const name of NEEDED) {
      if ((await stat(join(folder, name))).size !== expected.get(name)) return false;
    }
    return true;
  } catch {
    return false;
  }
}

/** Unpacks into a folder of its own and renames it into place, so no reader ever sees a part. */
async function unpack(archive: string, packed: Uint8Array, folder: string): Promise<void> {
  const tar = await promisify(brotliDecompress)(packed, { maxOutputLength: MAX_UNPACKED_BYTES }).catch(
    (cause: unknown) => {
      throw new TritcError({
        code: "TRITC_E_SWIFTSHADER_DAMAGED",
        message: "the archive cannot be decompressed",
        place: archive,
        remedy: `reinstall ${PACKAGE}`,
        cause,
      });
    },
  );
  const files = readTar(tar, archive);
  const temporary = `${folder}.${process.pid}-${randomUUID()}`;
  try {
    await makeFolder(temporary);
    const sizes: Record<string, number> = {};
    for (const name of NEEDED) {
      const content = files.get(name);
      if (content === undefined) {
        throw new TritcError({
          code: "TRITC_E_SWIFTSHADER_DAMAGED",
          message: "the archive lacks a file",
          place: archive,
          expected: name,
          found: [...files.keys()].join(", "),
          remedy: `install ${PACKAGE}@143`,
        });
      }
      await writeFile(join(temporary, name), content);
      sizes[name] = content.length;
    }
    await writeFile(join(temporary, SIZES), JSON.stringify(sizes));
    await replaceFolder(temporary, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function replaceFolder(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (cause) {
    // Another process may have been first, which is as good; otherwise an incomplete folder is in the way.
    if (await isComplete(to)) return;
    if (!(await exists(to))) throw cause;
    const aside = `${from}.old`;
    await rename(to, aside);
    await rename(from, to);
    await rm(aside, { recursive: true, force: true });
  }
}

/**
 * SwiftShader from the installed `@sparticuz/chromium`, unpacked into `home` (default: the cache folder) unless a
 * complete copy is there. Throws a `TritcError` that says how to get it where it cannot be had.
 */
export async function prepareSoftwareVulkan(home: string = cacheDir()): Promise<SoftwareVulkan> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new TritcError({
      code: "TRITC_E_SWIFTSHADER_PLATFORM",
      message: "the software WebGPU adapter is built for one platform only",
      expected: "linux x64",
      found: `${process.platform} ${process.arch}`,
      remedy: "use a GPU, or compile for the cpu target, which needs none",
    });
  }
  const archive = await findArchive();
  if (archive === undefined) {
    throw new TritcError({
      code: "TRITC_E_SWIFTSHADER_MISSING",
      message: "the software WebGPU adapter (SwiftShader) is not installed",
      expected: `the package ${PACKAGE}`,
      remedy: `${installCommand("koffi", `${PACKAGE}@143`)}, or compile for the cpu target, which needs no GPU`,
    });
  }
  const packed = await readFile(archive);
  const digest = createHash("sha256").update(packed).digest("hex").slice(0, 16);
  const folder = join(home, `swiftshader-${digest}`);
  if (!(await isComplete(folder))) {
    try {
      await unpack(archive, packed, folder);
    } catch (cause) {
      if (cause instanceof TritcError) throw cause;
      throw new TritcError({
        code: "TRITC_E_CACHE_UNWRITABLE",
        message: "cannot unpack the software WebGPU adapter",
        place: folder,
        found: cause instanceof Error ? cause.message : String(cause),
        remedy: "set TRITC_HOME to a folder that can be written",
        cause,
      });
    }
  }
  return { loader: join(folder, LOADER), icd: join(folder, ICD) };
}

/** Kept for good: koffi closes a library once its handle is collected, and Dawn opens the loader by name later. */
let loader: { readonly handle: unknown } | undefined;

/**
 * Makes a Vulkan loader available to Dawn, which opens `libvulkan.so.1` by name: the system's own where there is
 * one, else the given one, loaded with global symbols so that the open by name finds it. Does nothing where `koffi`,
 * an optional package, is absent; Dawn then has the system's loader or none.
 */
export async function loadVulkanLoader(fallback: () => Promise<string>): Promise<void> {
  if (loader !== undefined) return;
  const koffi = await import("koffi").then(
    (module) => module.default,
    () => undefined,
  );
  if (koffi === undefined) return;
  try {
    loader = { handle: koffi.load(LOADER, { global: true }) };
  } catch {
    loader = { handle: koffi.load(await fallback(), { global: true }) };
  }
}
