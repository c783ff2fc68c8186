import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeOnExit } from "../../temporary.js";

/** What a run of nvcc printed, on either stream, and whether it succeeded. */
export interface NvccRun {
  readonly ok: boolean;
  readonly output: string;
}

/** Calls `work` with a new folder of its own, and removes it. */
export async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "tritc-nvcc-"));
  const isGone = removeOnExit(folder);
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    isGone();
  }
}

/**
 * Runs nvcc in a folder, which also takes its temporary files. When the signal comes, nvcc and what it started are
 * killed, and the signal's reason is thrown.
 */
export async function runNvcc(
  nvcc: string,
  args: readonly string[],
  folder: string,
  signal?: AbortSignal,
): Promise<NvccRun> {
  const { execa } = await import("execa");
  signal?.throwIfAborted();
  const child = execa(nvcc, args, {
    cwd: folder,
    // NVCC_PREPEND_FLAGS and its like would make binaries that the cache does not know of.
    env: { TMPDIR: folder, NVCC_PREPEND_FLAGS: undefined, NVCC_APPEND_FLAGS: undefined, LC_ALL: "C" },
    stdin: "ignore",
    all: true,
    reject: false,
    // A group of its own: nvcc passes no signal on to cicc and ptxas.
    detached: process.platform !== "win32",
  });
  const kill = () => killGroup(child.pid, () => child.kill("SIGKILL"));
  signal?.addEventListener("abort", kill, { once: true });
  process.once("exit", kill);
  try {
    const { failed, all, exitCode, shortMessage } = await child;
    signal?.throwIfAborted();
    const printed = String(all ?? "");
    return { ok: !failed, output: exitCode === undefined ? `${printed}\n${shortMessage}` : printed };
  } finally {
    signal?.removeEventListener("abort", kill);
    process.removeListener("exit", kill);
  }
}

function killGroup(pid: number | undefined, otherwise: () => void): void {
  if (pid === undefined || process.platform === "win32") {
    otherwise();
    return;
  }
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended meanwhile.
  }
}
