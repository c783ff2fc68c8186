import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type Engine, openEngine } from "../../compiler/train/engine/engine.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { randomFloats } from "../support/random.js";
import { feeds, initial, NO_FILES, REGRESSION } from "./regression.js";

const OPTIONS = { reader: NO_FILES, threads: 1 };
const opened: Engine[] = [];
const root = mkdtempSync(join(tmpdir(), "tritc-engine-"));
beforeAll(() => void vi.stubEnv("TMPDIR", root));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});
afterEach(() => Promise.all(opened.splice(0).map((engine) => engine.close())));

async function open(program = REGRESSION): Promise<Engine> {
  const engine = await openEngine(program, initial, OPTIONS);
  opened.push(engine);
  return engine;
}

function expectClose(found: Tensor | undefined, wanted: Tensor | undefined, what: string): void {
  expect(found?.dtype, what).toBe(wanted?.dtype);
  expect(found?.shape, what).toEqual(wanted?.shape);
  // A bf16 may round to its neighbour.
  const tolerance = wanted?.dtype === "bf16" ? 0.02 : 1e-5;
  for (const [i, value] of [...(wanted?.data ?? [])].entries()) {
    const distance = Math.abs(Number(found?.data[i]) - Number(value));
    expect(distance, `${what}[${i}]`).toBeLessThanOrEqual(tolerance);
  }
}

it("state goes from run to run, and is the interpreter's step for step", async () => {
  const engine = await open();
  let state = new Map(REGRESSION.state.map(({ input }) => [input, initial(input)]));
  for (let step = 0; step < 6; step++) {
    const wanted = interpret(REGRESSION.graph, new Map([...state, ...feeds(step)]), OPTIONS);
    const results = await engine.run(feeds(step));
    expect([...results.keys()]).toEqual(["loss", "y"]);
    for (const [id, tensor] of results) expectClose(tensor, wanted.get(id), `step ${step}: ${id}`);
    state = new Map();
    for (const { input, output } of REGRESSION.state) {
      const tensor = wanted.get(output);
      if (tensor === undefined) throw new Error(output);
      state.set(input, tensor);
      expectClose(await engine.read(input), tensor, `step ${step}: ${input}`);
    }
  }
  expect((await engine.read("count")).data).toEqual(BigInt64Array.of(6n));
  expect((await engine.read("w1")).data).not.toEqual(initial("w1").data);
});

/** Adds up what it holds, which it keeps, and what it is fed under names of all lengths: in a message they lie anywhere. */
const FED = Array.from({ length: 16 }, (_, i) => "x".repeat(i + 1));
const PLAIN_SUM = '{"fn": "sum", "keepDims": false, "noopWithEmptyAxes": false}';
const SUM = {
  graph: parseGraph(`
graph "sum" {
  ${["s", ...FED].map((id) => `input %${id}: f32[1003]`).join("\n")}
  ${["s", ...FED].map((id) => `%sum.${id}: f32[] = reduce(%${id}) ${PLAIN_SUM}`).join("\n")}
  %next: f32[1003] = binary(%s, %s) {"fn": "max"}
  output %next, ${["s", ...FED].map((id) => `%sum.${id}`).join(", ")}
}`),
  state: [{ input: "s", output: "next" }],
};
const VALUES: Tensor = { dtype: "f32", shape: [1003], data: randomFloats(3, 1003) };

it("sums are equal to the bit whether values are fed, given at first, or left by a run", async () => {
  const engine = await openEngine(SUM, () => VALUES, OPTIONS);
  opened.push(engine);
  const sums = new Set<number>();
  for (let step = 0; step < 3; step++) {
    for (const { data } of (await engine.run(new Map(FED.map((id) => [id, VALUES])))).values())
      sums.add(Number(data[0]));
  }
  expect(sums.size).toBe(1);
  expect((await engine.read("s")).data).toEqual(VALUES.data);
});

it("runs and reads take turns", async () => {
  const engine = await open();
  const [first, count, second, later] = await Promise.all([
    engine.run(feeds(0)),
    engine.read("count"),
    engine.run(feeds(1)),
    engine.read("count"),
  ]);
  expect([count.data[0], later.data[0]]).toEqual([1n, 2n]);
  expect(first.get("loss")?.data).not.toEqual(second.get("loss")?.data);
});

describe("what does not fit", () => {
  it("is refused before the graph is written", async () => {
    const { graph } = REGRESSION;
    const swapped = { graph, state: [{ input: "w1", output: "w2.next" }] };
    await expect(open(swapped)).rejects.toThrow("state w1 is f32[5, 8], and w2.next is f32[8, 3]");
    const absent = { graph, state: [{ input: "w1", output: "h" }] };
    await expect(open(absent)).rejects.toThrow("state w1 is f32[5, 8], and h is nothing");
    const symbolic = parseGraph('graph "g" {\n  input %x: f32[n]\n  output %x\n}');
    await expect(open({ graph: symbolic, state: [] })).rejects.toThrow("x is f32[n]");
  });

  it("is refused as a feed, and the engine goes on", async () => {
    const engine = await open();
    const { rate } = Object.fromEntries(feeds(0));
    const wrong = new Map([...feeds(0), ["x", rate ?? VALUES]]);
    await expect(engine.run(wrong)).rejects.toThrow("x is f32[16, 5], and was given f32[]");
    await expect(engine.run(new Map())).rejects.toThrow("x is f32[16, 5], and was given nothing");
    await expect(engine.read("x")).rejects.toThrow("no state x");
    await engine.run(feeds(0));
    expect((await engine.read("count")).data[0]).toBe(1n);
  });
});

it("what ONNX Runtime refuses is said with its own words", async () => {
  const graph = parseGraph(`
graph "refused" {
  input %x: f32[4]
  const %to: i64[1] = [5]
  %y: f32[5] = reshape(%x, %to) {"allowZero": false}
  output %y
}`);
  const attempt = openEngine({ graph, state: [] }, initial, OPTIONS).then(async (engine) => {
    opened.push(engine);
    await engine.run(new Map([["x", { dtype: "f32", shape: [4], data: new Float32Array(4) }]]));
  });
  await expect(attempt).rejects.toMatchObject({
    code: "TRITC_E_ORT",
    details: { place: "graph refused", found: expect.stringContaining("eshape") },
  });
});

it("a process that was killed is an error of the next run, not silence", async () => {
  const engine = await open();
  await engine.run(feeds(0));
  const { stdout } = await execa("ps", ["-A", "-o", "pid=,ppid=,args="]);
  const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/));
  const own = rows.filter(
    ([, parent, ...args]) => Number(parent) === process.pid && args.includes("session;"),
  );
  expect(own.length).toBe(1);
  const running = engine.run(feeds(1));
  process.kill(Number(own[0]?.[0]), "SIGKILL");
  const killed = {
    code: "TRITC_E_ORT",
    message: expect.stringContaining("(SIGKILL); the memory may be too small"),
  };
  await expect(running).rejects.toMatchObject(killed);
  await expect(engine.read("w1")).rejects.toMatchObject(killed);
  await engine.close();
  await expect(engine.run(feeds(2))).rejects.toMatchObject({ code: "TRITC_E_CLOSED" });
});

it("leaves no temporary file behind, and says where none can be written", async () => {
  await open();
  await expect(openEngine(REGRESSION, () => VALUES, OPTIONS)).rejects.toThrow("w1 is f32[5, 8]");
  expect(readdirSync(root)).toEqual([]);
  vi.stubEnv("TMPDIR", join(root, "absent"));
  await expect(open()).rejects.toMatchObject({ code: "TRITC_E_SYSTEM" });
  vi.stubEnv("TMPDIR", root);
});
