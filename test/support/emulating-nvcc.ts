import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { emulatedDriver, emulatorModule } from "./cuda-emulator.js";

/** What stands for an installation of CUDA with a GPU of sm_86: what to set in the environment, and an end to it. */
export interface EmulatedCuda {
  readonly env: Readonly<Record<string, string>>;
  close(): void;
}

/**
 * A driver library that emulates a GPU, and a program that takes nvcc's place: it has this process compile sources for the
 * emulator. Kernels are kept in a cache folder of their own, which real binaries never see.
 */
export async function emulatedCuda(): Promise<EmulatedCuda> {
  const folder = mkdtempSync(join(tmpdir(), "tritc-emulated-"));
  const socket = join(folder, "socket");
  const server = createServer({ allowHalfOpen: true }, (connection) => {
    let text = "";
    connection.on("data", (data) => {
      text += data;
    });
    connection.on("end", () => {
      const [source = "", out = ""] = text.split("\n");
      compile(source, out).then(
        () => connection.end("made"),
        (error: unknown) => connection.end(String(error)),
      );
    });
  });
  await new Promise<void>((done) => server.listen(socket, done));
  const nvcc = join(folder, "nvcc");
  writeFileSync(nvcc, `#!${process.execPath}\n${PROGRAM.replace("SOCKET", JSON.stringify(socket))}`, {
    mode: 0o755,
  });
  const { path } = await emulatedDriver("sm_86", "forward");
  return {
    env: { TRITC_NVCC: nvcc, TRITC_CUDA_DRIVER: path, TRITC_HOME: folder },
    close() {
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What nvcc is called for: its version, which is none that exists, or `kernel.cu -o <out>` in the folder where it is. */
const PROGRAM = `
const { connect } = require("node:net");
const { resolve } = require("node:path");
const words = process.argv.slice(2);
if (words.includes("--version")) {
  console.log("Cuda compilation tools, release 13.0, V13.0.0");
} else {
  const source = words.find((word) => word.endsWith(".cu"));
  const out = words[words.indexOf("-o") + 1];
  const connection = connect({ path: SOCKET, allowHalfOpen: true });
  let answer = "";
  connection.on("data", (data) => { answer += data; });
  connection.on("end", () => {
    if (answer === "made") return;
    console.error(answer);
    process.exitCode = 1;
  });
  connection.end(resolve(source) + "\\n" + resolve(out));
}
`;

async function compile(source: string, out: string): Promise<void> {
  await writeFile(out, await emulatorModule(withIncludes(await readFile(source, "utf8"))));
}

/** What was put in the place of includes is taken out again: the emulator has other bodies for functions of PTX. */
function withIncludes(source: string): string {
  const kept: string[] = [];
  let inside: string | undefined;
  for (const line of source.split("\n")) {
    const begun = /^\/\/ (cuda\/[\w./-]+\.cuh)$/.exec(line)?.[1];
    if (inside === undefined && begun !== undefined) {
      inside = begun;
      kept.push(`#include "${begun}"`);
    } else if (inside === undefined) kept.push(line);
    else if (line === `// end of ${inside}`) inside = undefined;
  }
  return kept.join("\n");
}
