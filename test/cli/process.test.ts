/** What only a process has: signals, closed pipes, exit codes as the shell sees them. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { serialize } from "../../ir/format/safetensors.js";
import { builtCli } from "../support/built-cli.js";
import { rehash, replaceText } from "../support/bundle-surgery.js";
import { cli } from "../support/cli.js";
import { hasComputed } from "../support/computed.js";
import { model, node, value } from "../support/onnx-builder.js";
import { snapshot } from "../support/tree.js";
import type { SmallFixture } from "./cases/case.js";
import { makeSmallFixture } from "./fixture.js";

const shapes = join(import.meta.dirname, "../models/shapes");
const root = mkdtempSync(join(tmpdir(), "tritc-process-"));
let main = "";
let fixture: SmallFixture;
beforeAll(async () => {
  main = await builtCli();
  fixture = await makeSmallFixture(join(root, "fixture"));
}, 240_000);
afterAll(() => rmSync(root, { recursive: true }), 120_000);

function emptyFolder(): string {
  return mkdtempSync(join(root, "case-"));
}

const start = (argv: readonly string[], options: { readonly input?: Uint8Array } = {}) =>
  execa("node", [main, ...argv], { ...options, reject: false, encoding: "buffer", stripFinalNewline: false });

/** Resolves when a file or folder whose name matches is in a folder. */
async function appears(
  folder: string,
  name: RegExp,
  running: { readonly exitCode?: number | null },
): Promise<void> {
  while (!readdirSync(folder).some((entry) => name.test(entry))) {
    if (running.exitCode !== null && running.exitCode !== undefined) throw new Error("it ended too early");
    await setTimeout(2);
  }
}

it("exit codes: 0 done, 1 failed, 2 wrong usage", async () => {
  const [help, failed, wrong] = await Promise.all([
    start(["--help"]),
    start(["inspect", join(root, "none.onnx")]),
    start(["inspect"]),
  ]);
  expect([help.exitCode, failed.exitCode, wrong.exitCode]).toEqual([0, 1, 2]);
  expect(help.stderr).toHaveLength(0);
  expect(failed.stdout).toHaveLength(0);
  expect(Buffer.from(failed.stderr).toString()).toContain("[TRITC_E_MODEL_NOT_FOUND]");
});

it("standard input and output carry tensors", async () => {
  const folder = emptyFolder();
  const out = join(folder, "out.safetensors");
  await cli(["eval", fixture.model, "--inputs", fixture.inputs, "-o", out]);
  const input = readFileSync(fixture.inputs);
  const result = await start(["eval", fixture.model, "--inputs", "-", "-o", "-"], { input });
  expect(result.exitCode).toBe(0);
  expect(Buffer.from(result.stdout).equals(readFileSync(out))).toBe(true);
  expect(Buffer.from(result.stderr).toString()).toContain("computed by the reference interpreter");
});

it("a reader that stops early is no error", async () => {
  const child = start(["inspect", fixture.model, "--json"]);
  child.stdout.destroy();
  const { exitCode, stderr } = await child;
  expect(Buffer.from(stderr).toString()).toBe("");
  expect(exitCode).toBe(0);
});

it("--json is one document", async () => {
  const out = join(emptyFolder(), "o");
  for (const argv of [
    ["targets"],
    ["inspect", fixture.model],
    ["compile", fixture.model, "--target", "cpu", "-o", out, "--ternarize", "none"],
    ["verify", fixture.generic],
  ]) {
    const { stdout, stderr, code } = await cli([...argv, "--json"]);
    expect(code, stderr).toBe(0);
    expect(() => void JSON.parse(stdout)).not.toThrow();
    expect(stderr).toBe("");
  }
});

it.each(["SIGINT", "SIGTERM"] as const)(
  "%s ends compile in order, and the next one goes on",
  async (signal) => {
    const interrupted = async () => {
      const folder = emptyFolder();
      const argv = ["compile", shapes, "--target", "cpu", "-o", join(folder, "out")];
      const child = start(argv);
      await appears(folder, /^\.out\.partial$/, child);
      child.kill(signal);
      const { exitCode, stderr } = await child;
      return { folder, argv, exitCode, stderr };
    };
    let found = await interrupted();
    // On a busy machine it may be done before the signal comes.
    for (let again = 0; again < 3 && found.exitCode === 0; again++) found = await interrupted();
    const { folder, argv, exitCode, stderr } = found;
    const said = Buffer.from(stderr).toString();
    expect(said).toMatch(/interrupted[\s\S]*\[TRITC_E_INTERRUPTED\]/);
    expect(exitCode).toBe(signal === "SIGINT" ? 130 : 143);
    // Where something is done it is kept, out of sight, and that is said.
    const left = readdirSync(folder);
    expect([[], [".out.partial"]]).toContainEqual(left);
    expect(said.includes(join(folder, ".out.partial"))).toBe(left.length > 0);
    const next = await cli(argv);
    expect(next.code, next.stderr).toBe(0);
    expect(readdirSync(folder)).toEqual(["out"]);
  },
);

it("SIGINT with --no-resume leaves nothing", async () => {
  const folder = emptyFolder();
  const child = start(["compile", shapes, "--target", "cpu", "-o", join(folder, "out"), "--no-resume"]);
  await appears(folder, /^\.out\.partial$/, child);
  child.kill("SIGINT");
  expect((await child).exitCode).toBe(130);
  expect(readdirSync(folder)).toEqual([]);
});

it("SIGINT before compile writes anything leaves nothing", async () => {
  const folder = emptyFolder();
  const child = start(["compile", shapes, "--target", "cpu", "-o", join(folder, "out")]);
  await setTimeout(300);
  child.kill("SIGINT");
  const { exitCode, signal } = await child;
  expect(exitCode ?? signal).not.toBe(0);
  expect(readdirSync(folder)).toEqual([]);
});

it("SIGINT ends run at once, even within a step, and leaves no picture", async () => {
  const folder = emptyFolder();
  const bundle = join(folder, "bundle");
  const compiled = await cli(["compile", shapes, "--target", "cpu", "-o", bundle]);
  expect(compiled.code, compiled.stderr).toBe(0);
  const out = join(folder, "p.png");
  // What these steps share is computed first, for all of them: a minute in which no event comes in.
  const child = start(["run", bundle, "--prompt", "a red circle", "--steps", "10000", "-o", out]);
  await hasComputed(child, 2);
  expect(child.exitCode).toBeNull();
  child.kill("SIGINT");
  const { exitCode, stderr } = await child;
  expect(exitCode).toBe(130);
  expect(Buffer.from(stderr).toString()).toMatch(/interrupted[\s\S]*\[TRITC_E_INTERRUPTED\]/);
  expect(readdirSync(folder)).toEqual(["bundle"]);
});

it("SIGINT ends eval in the middle of the interpreter's loops, where no event comes in", async () => {
  const folder = emptyFolder();
  const square = join(folder, "square.onnx");
  const [n, times] = [1500, 20];
  const steps = Array.from({ length: times }, (_, i) =>
    node("MatMul", [i === 0 ? "x" : `y${i}`, "x"], [`y${i + 1}`]),
  );
  const ports = { inputs: [value("x", "f32", [n, n])], outputs: [value(`y${times}`, "f32", [n, n])] };
  writeFileSync(square, model({ ...ports, nodes: steps }, { opset: 20 }));
  const inputs = join(folder, "x.safetensors");
  writeFileSync(
    inputs,
    serialize(new Map([["x", { dtype: "f32" as const, shape: [n, n], data: new Float32Array(n * n) }]])),
  );
  const child = start(["eval", square, "--inputs", inputs, "-o", join(folder, "y.safetensors")]);
  await hasComputed(child, 1);
  expect(child.exitCode).toBeNull();
  child.kill("SIGINT");
  const { exitCode, stderr } = await child;
  expect(exitCode).toBe(130);
  expect(Buffer.from(stderr).toString()).toMatch(/interrupted[\s\S]*\[TRITC_E_INTERRUPTED\]/);
  expect(readdirSync(folder).sort()).toEqual(["square.onnx", "x.safetensors"]);
});

it("a WGSL kernel that never ends is named, and the process ends", async () => {
  const bundle = join(emptyFolder(), "bundle");
  const compile = ["compile", fixture.model, "--target", "webgpu", "-o", bundle, "--ternarize", "none"];
  expect((await cli(compile)).code).toBe(0);
  for (const file of readdirSync(join(bundle, "kernels"))) {
    // Even numbers are never 1.
    const path = join(bundle, "kernels", file);
    replaceText(path, "@compute", "var<workgroup> even: atomic<u32>;\n@compute");
    replaceText(path, /(fn main\([^{]*\{)/, "$1 loop { if (atomicAdd(&even, 2u) == 1u) { break; } }");
  }
  rehash(bundle);
  const out = ["-o", join(bundle, "../y.safetensors")];
  const device = ["--software", "--stall-seconds", "1"];
  const { exitCode, stderr } = await start(["eval", bundle, "--inputs", fixture.inputs, ...out, ...device]);
  expect(Buffer.from(stderr).toString()).toMatch(
    /^tritc: phase load, launch "w.*": a kernel does not come to an end[\s\S]*STALLED/,
  );
  expect(exitCode).toBe(1);
});

it("SIGKILL leaves the old bundle or the new, and the next compile cleans up", async () => {
  const folder = emptyFolder();
  const out = join(folder, "out");
  const argv = ["compile", fixture.model, "--target", "cpu", "-o", out, "--ternarize", "none"];
  expect((await cli(argv)).code).toBe(0);
  const old = snapshot(out);
  const other = [...argv, "--activations", "f32"];
  const copy = join(folder, "new");
  expect((await cli([...other.slice(0, 5), copy, ...other.slice(6)])).code).toBe(0);
  const fresh = snapshot(copy);
  rmSync(copy, { recursive: true });
  for (const delay of [0, 3, 8, 20]) {
    const child = start(other);
    await appears(folder, /^\.out\.partial$/, child);
    await setTimeout(delay);
    child.kill("SIGKILL");
    await child;
    const isThere = existsSync(out);
    // Between its two renames the old bundle lies beside the path, whole.
    const place = isThere ? "out" : readdirSync(folder).find((name) => name.endsWith(".old"));
    expect([old, fresh]).toContainEqual(snapshot(join(folder, place ?? "nothing")));
  }
  expect((await cli(argv)).code).toBe(0);
  expect(snapshot(out)).toEqual(old);
  expect(readdirSync(folder)).toEqual(["out"]);
});

it("a bundle whose replacement was cut between its renames comes back", async () => {
  const folder = emptyFolder();
  const out = join(folder, "out");
  // What a process of a long gone id leaves.
  const stale = join(folder, ".out.4194305.0a1b2c3d.tmp");
  mkdirSync(stale);
  copyFileSync(fixture.model, join(stale, "weights.safetensors"));
  const argv = ["compile", fixture.model, "--target", "cpu", "-o", out, "--ternarize", "none"];
  expect((await cli(argv)).code).toBe(0);
  expect(readdirSync(folder)).toEqual(["out"]);
});
