import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { cacheDir } from "../../runtime/node/cache-dir.js";
import { readTar } from "../../runtime/node/tar.js";

/** The folder of `@sparticuz/chromium` that holds the archives, and the package's version. */
async function findPackage(): Promise<{ readonly bin: string; readonly version: string }> {
  const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium");
  let folder = dirname(entry);
  while (!existsSync(join(folder, "bin", "chromium.br"))) folder = dirname(folder);
  const { version }: { version: string } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  return { bin: join(folder, "bin"), version };
}

/**
 * Unpacks Chromium with the libraries, the Vulkan driver and the fonts that it needs and a bare system lacks.
 * The folder is kept in the cache; it appears whole or not at all. Returns its path.
 */
export async function prepareChromium(): Promise<string> {
  const { bin, version } = await findPackage();
  const folder = join(cacheDir(), `chromium-${version}`);
  if (existsSync(folder)) return folder;
  const unpack = async (name: string) =>
    new Uint8Array(await promisify(brotliDecompress)(await readFile(join(bin, name))));
  const temporary = `${folder}.${process.pid}-${randomUUID()}`;
  try {
    await mkdir(temporary, { recursive: true });
    await writeFile(join(temporary, "chromium"), await unpack("chromium.br"), { mode: 0o755 });
    for (const name of ["al2023.tar.br", "swiftshader.tar.br", "fonts.tar.br"]) {
      for (const [path, content] of readTar(await unpack(name), name)) {
        const flat = join(temporary, path.replace(/^lib\//, ""));
        await mkdir(dirname(flat), { recursive: true });
        await writeFile(flat, content);
      }
    }
    const fonts = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${join(folder, "fonts")}</dir><cachedir>${join(folder, "font-cache")}</cachedir></fontconfig>`;
    await writeFile(join(temporary, "fonts.conf"), fonts);
    await rename(temporary, folder).catch((error: unknown) => {
      // Another process was first, which is as good.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return folder;
}

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--no-first-run",
  "--no-default-browser-check",
  "--no-pings",
  "--disable-quic",
  "--disable-sync",
  "--disable-extensions",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-dev-shm-usage",
  "--disable-default-apps",
  "--disable-domain-reliability",
  "--metrics-recording-only",
];
export const WITHOUT_GPU = ["--disable-gpu"];
export const SOFTWARE_WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/**
 * Opens a page in a headless Chromium of its own (`TRITC_CHROMIUM` names another than the packaged one) while `work` waits for what the page sends. The browser is gone when
 * the promise settles; it rejects where the browser exits first or `seconds` pass, with what the browser printed.
 */
export async function withPage<T>(
  url: string,
  flags: readonly string[],
  work: Promise<T>,
  seconds = 40,
): Promise<T> {
  const own = process.env.TRITC_CHROMIUM;
  const folder = own === undefined ? await prepareChromium() : dirname(own);
  const profile = await mkdtemp(join(tmpdir(), "tritc-chromium-"));
  // A process group of its own, so that the browser's own processes end with it.
  const browser = spawn(
    own ?? join(folder, "chromium"),
    [...FLAGS, ...flags, `--user-data-dir=${profile}`, `--crash-dumps-dir=${profile}`, url],
    {
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        ...process.env,
        HOME: profile,
        ...(own === undefined
          ? { LD_LIBRARY_PATH: folder, FONTCONFIG_FILE: join(folder, "fonts.conf") }
          : {}),
        DBUS_SESSION_BUS_ADDRESS: "disabled:",
      },
    },
  );
  let printed = "";
  browser.stderr?.setEncoding("utf8").on("data", (text: string) => {
    printed = (printed + text).slice(-8000);
  });
  const kill = () => killGroup(browser);
  process.once("exit", kill);
  let timer: NodeJS.Timeout | undefined;
  const failure = new Promise<never>((_, reject) => {
    browser.once("error", reject);
    browser.once("exit", (code, signal) => {
      reject(new Error(`Chromium exited (${code ?? signal}) before the page answered:\n${printed}`));
    });
    const late = () => reject(new Error(`the page did not answer in ${seconds} s:\n${printed}`));
    timer = setTimeout(late, seconds * 1000);
  });
  try {
    return await Promise.race([work, failure]);
  } finally {
    clearTimeout(timer);
    failure.catch(() => undefined);
    kill();
    process.off("exit", kill);
    if (browser.exitCode === null && browser.signalCode === null && browser.pid !== undefined) {
      await new Promise((resolve) => browser.once("exit", resolve));
    }
    // Its processes may still be writing for a moment.
    await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group is gone already.
  }
}
