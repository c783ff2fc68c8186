import { describe, expect, it } from "vitest";
import { assembleWat } from "../../compiler/codegen/assemble-wat.js";
import { phasesWith } from "../../ir/program/phases.js";
import type { Kernel, Launch, Program, ProgramBuffer } from "../../ir/program/program.js";
import { createCpuDevice } from "../../runtime/cpu/device.js";
import { engineFeatures } from "../../runtime/cpu/features.js";
import type { SpawnThread } from "../../runtime/cpu/thread-pool.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { spawnNodeThread } from "../../runtime/node/threads.js";
import { byPhase } from "../support/phases.js";

/** out[row] = a[row] + b[row]·s; a and b may be the same memory as out. One tile is one row. */
const ADD = `(module (import "env" "memory" (memory 1 65536 shared))
(func (export "run") (param $words i32) (param $begin i32) (param $end i32)
  (loop $rows
    (if (i32.ge_u (local.get $begin) (local.get $end)) (then (return)))
    (f32.store (i32.add (i32.load offset=20 (local.get $words))
        (i32.shl (i32.mul (local.get $begin) (i32.load offset=24 (local.get $words))) (i32.const 2)))
      (f32.add
        (f32.load (i32.add (i32.load offset=4 (local.get $words))
          (i32.shl (i32.mul (local.get $begin) (i32.load offset=8 (local.get $words))) (i32.const 2))))
        (f32.mul (f32.load offset=28 (local.get $words))
          (f32.load (i32.add (i32.load offset=12 (local.get $words))
            (i32.shl (i32.mul (local.get $begin) (i32.load offset=16 (local.get $words))) (i32.const 2)))))))
    (local.set $begin (i32.add (local.get $begin) (i32.const 1)))
    (br $rows))))`;

const ENDLESS = `(module (import "env" "memory" (memory 1 65536 shared))
(func (export "run") (param i32 i32 i32) (loop $forever (br $forever))))`;

const TRAP = `(module (import "env" "memory" (memory 1 65536 shared))
(func (export "run") (param $words i32) (param $begin i32) (param $end i32)
  (if (i32.eq (local.get $end) (i32.load (local.get $words))) (then (unreachable)))))`;

function kernel(id: string, features: readonly string[] = [], fallback: string | null = null): Kernel {
  const arg = { dtype: "f32", access: "read", byRow: true } as const;
  return {
    id,
    family: "test",
    params: {},
    config: { variant: "test" },
    args: [
      { ...arg, name: "a" },
      { ...arg, name: "b" },
      { ...arg, name: "out", access: "write" },
    ],
    scalars: ["f32"],
    workgroup: [1, 1, 1],
    features,
    fallback,
    cuda: null,
  };
}

function buffer(
  id: string,
  elements: ProgramBuffer["elements"],
  storage: ProgramBuffer["storage"],
): ProgramBuffer {
  return { id, dtype: "f32", elements, storage };
}

interface Operand {
  readonly buffer: string;
  readonly offset?: number;
  readonly rowStride?: number;
  readonly stepStride?: number;
}

function launch(kernelId: string, rows: Launch["rows"], operands: readonly Operand[], scale: number): Launch {
  return {
    kernel: kernelId,
    rows,
    args: operands.map((operand) => ({ offset: 0, rowStride: 1, stepStride: 0, ...operand })),
    scalars: [scale],
    grid: [{ size: rows, tile: 1 }],
    label: "test",
  };
}

function program(parts: Partial<Program>): Program {
  return {
    target: "cpu",
    symbols: ["tokens"],
    buffers: [],
    kernels: [kernel("add")],
    phases: phasesWith({ load: [], prompt: [], step: [], euler: [] }),
    inputs: [],
    outputs: [],
    model: null,
    ...parts,
  };
}

async function codeOf(sources: Readonly<Record<string, string>>) {
  const binaries = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [id, source] of Object.entries(sources)) binaries.set(id, await assembleWat(source, id));
  return {
    source: (id: string) => sources[id] ?? "",
    binary: (id: string) => binaries.get(id) ?? new Uint8Array(),
  };
}

const floats = (...values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);

const ARENA = program({
  buffers: [
    buffer("x", "tokens", { kind: "host" }),
    buffer("w", 3, { kind: "weight", tensor: "w" }),
    buffer("packed", 3, { kind: "staging", tensor: "p" }),
    buffer("unpacked", 3, { kind: "resident" }),
    buffer("first", "tokens", { kind: "arena", slot: 0 }),
    buffer("second", "2*tokens", { kind: "arena", slot: 0 }),
    buffer("other", "tokens", { kind: "arena", slot: 1 }),
  ],
  phases: phasesWith({
    // unpacked = packed + 10·w
    load: [launch("add", 3, [{ buffer: "packed" }, { buffer: "w" }, { buffer: "unpacked" }], 10)],
    // first = x + x; other = first + unpacked[step]; second = other + other (in the place of first)
    prompt: [launch("add", "tokens", [{ buffer: "x" }, { buffer: "x" }, { buffer: "first" }], 1)],
    step: [
      launch(
        "add",
        "tokens",
        [{ buffer: "first" }, { buffer: "unpacked", rowStride: 0, stepStride: 1 }, { buffer: "other" }],
        1,
      ),
      launch(
        "add",
        "tokens",
        [{ buffer: "other" }, { buffer: "other" }, { buffer: "second", rowStride: 2 }],
        0.5,
      ),
    ],
    euler: [launch("add", "tokens", [{ buffer: "x" }, { buffer: "other" }, { buffer: "x" }], 1)],
  }),
});
const WEIGHTS = { bytes: async (tensor: string) => (tensor === "w" ? floats(1, 2, 3) : floats(5, 6, 7)) };

describe("cpu device", () => {
  it.each([1, 2, 3])("runs phases, steps and rebinding on %i threads", async (threads) => {
    const device = await createNodeCpuDevice({ threads });
    const loaded = await device.load(ARENA, await codeOf({ add: ADD }), WEIGHTS);
    for (const tokens of [5, 20_000, 3]) {
      await loaded.bind({ tokens });
      const x = Float32Array.from({ length: tokens }, (_, i) => i + 0.5);
      for (const step of [2, 0, 1]) {
        loaded.write("x", x);
        await loaded.run(["prompt", "step", "euler"], step);
        const unpacked = [15, 26, 37][step]!;
        const other = x.map((v) => 2 * v + unpacked);
        expect(await loaded.read("other")).toEqual(other);
        const second = await loaded.read("second");
        expect(other.every((v, i) => second[2 * i] === 1.5 * v)).toBe(true);
        expect(await loaded.read("x")).toEqual(x.map((v, i) => v + other[i]!));
      }
      expect(loaded.memoryBytes()).toBeGreaterThan(4 * tokens * 4);
    }
    await loaded.close();
    await device.close();
  });

  it("holds two programs at once", async () => {
    const device = await createNodeCpuDevice({ threads: 2 });
    const code = await codeOf({ add: ADD });
    const programs = [await device.load(ARENA, code, WEIGHTS), await device.load(ARENA, code, WEIGHTS)];
    for (const [i, loaded] of programs.entries()) {
      await loaded.bind({ tokens: 2 });
      loaded.write("x", Float32Array.of(i, 1));
    }
    for (const loaded of programs) await loaded.run(["prompt", "step"], 0);
    expect(await programs[0]!.read("other")).toEqual(Float32Array.of(15, 17));
    expect(await programs[1]!.read("other")).toEqual(Float32Array.of(17, 17));
    await device.close();
  });

  it.each([1, 2])("reports a trap on %i threads and stays usable", async (threads) => {
    const device = await createNodeCpuDevice({ threads });
    const trapping = program({
      ...ARENA,
      kernels: [kernel("add"), kernel("trap")],
      phases: phasesWith({
        ...byPhase(ARENA),
        euler: [launch("trap", 4, [{ buffer: "x" }, { buffer: "x" }, { buffer: "first" }], 0)],
      }),
    });
    const loaded = await device.load(trapping, await codeOf({ add: ADD, trap: TRAP }), WEIGHTS);
    await loaded.bind({ tokens: 4 });
    loaded.write("x", Float32Array.of(1, 2, 3, 4));
    await expect(loaded.run(["prompt", "euler", "step"], 0)).rejects.toThrow(
      /TRITC|a kernel failed.*unreachable/,
    );
    await loaded.run(["prompt"], 0);
    expect(await loaded.read("first")).toEqual(Float32Array.of(2, 4, 6, 8));
    await device.close();
  });

  it.each([1, 3])("stops a kernel that never ends, and names its launch, on %i threads", async (threads) => {
    const device = await createNodeCpuDevice({ threads, stallSeconds: 1 });
    const endless = program({
      ...ARENA,
      kernels: [kernel("add"), kernel("endless")],
      phases: phasesWith({
        ...byPhase(ARENA),
        euler: [
          {
            ...launch("endless", 4, [{ buffer: "x" }, { buffer: "x" }, { buffer: "first" }], 0),
            label: "block 7",
          },
        ],
      }),
    });
    const loaded = await device.load(endless, await codeOf({ add: ADD, endless: ENDLESS }), WEIGHTS);
    await loaded.bind({ tokens: 4 });
    loaded.write("x", Float32Array.of(1, 2, 3, 4));
    await loaded.run(["prompt", "step"], 0);
    let ticks = 0;
    const clock = setInterval(() => ticks++, 50);
    const stalled = { code: "TRITC_E_KERNEL_STALLED", message: /"block 7" \(endless\) of phase euler/ };
    await expect(loaded.run(["step", "euler"], 0)).rejects.toMatchObject({
      code: stalled.code,
      message: expect.stringMatching(stalled.message),
    });
    clearInterval(clock);
    // The host could do other things all the while, such as answer Ctrl-C.
    expect(ticks).toBeGreaterThan(5);
    await expect(loaded.run(["step"], 0)).rejects.toMatchObject({ code: stalled.code });
    await device.close();
  });

  it.each([0, 1.5, 513, 1e5, Number.NaN])("refuses %d threads", async (threads) => {
    await expect(createNodeCpuDevice({ threads })).rejects.toMatchObject({ code: "TRITC_E_RANGE" });
  });

  it("refuses sizes that memory does not hold, with what is needed and what there is", async () => {
    const device = await createCpuDevice({ memoryBytes: 2 ** 23 });
    const loaded = await device.load(ARENA, await codeOf({ add: ADD }), WEIGHTS);
    await expect(loaded.bind({ tokens: 2 ** 19 })).rejects.toMatchObject({
      code: "TRITC_E_CPU_MEMORY",
      message: expect.stringMatching(/memory of this machine[\s\S]*at most 0.01 GiB/),
    });
    await loaded.bind({ tokens: 4 });
    await device.close();
  });

  it.each([1, 2])("refuses a kernel that asks for more, on %i threads", async (threads) => {
    const device = await createNodeCpuDevice({ threads });
    const code = await codeOf({ add: `(module (import "env" "launch" (func)) (func (export "run")))` });
    await expect(device.load(ARENA, code, WEIGHTS)).rejects.toThrow(/asks for what it may not have/);
    await device.close();
  });

  it("runs fallbacks where a feature is missing, and says so where there is none", async () => {
    const kernels = [kernel("fast", ["warp-drive"], "add"), kernel("add")];
    const step = byPhase(ARENA).prompt.map((l) => ({ ...l, kernel: "fast" }));
    const phases = phasesWith({ load: [], prompt: [], step, euler: [] });
    const device = await createCpuDevice();
    const code = await codeOf({ add: ADD });
    const loaded = await device.load(program({ ...ARENA, kernels, phases }), code, WEIGHTS);
    await loaded.bind({ tokens: 1 });
    loaded.write("x", Float32Array.of(21));
    await loaded.run(["step"], 0);
    expect(await loaded.read("first")).toEqual(Float32Array.of(42));
    const stuck = program({ ...ARENA, kernels: [kernel("fast", ["warp-drive"])], phases });
    await expect(device.load(stuck, code, WEIGHTS)).rejects.toThrow(/warp-drive/);
    await device.close();
  });

  it("refuses data and tensors of the wrong size, unknown symbols and programs beyond 4 GiB", async () => {
    const device = await createNodeCpuDevice({ threads: 1 });
    const code = await codeOf({ add: ADD });
    const loaded = await device.load(ARENA, code, WEIGHTS);
    await expect(loaded.bind({})).rejects.toThrow(/tokens/);
    await expect(loaded.bind({ tokens: 2 ** 30 })).rejects.toThrow(/4 GiB/);
    await loaded.bind({ tokens: 4 });
    expect(() => loaded.write("x", new Float32Array(3))).toThrow(/16 bytes/);
    await expect(device.load(ARENA, code, { bytes: async () => floats(1) })).rejects.toThrow(/12 bytes/);
    await device.close();
  });

  it("reports a worker thread that ends instead of waiting for it", async () => {
    const spawn: SpawnThread = (_source, { onError }) => {
      setTimeout(() => onError(new Error("blocked by policy")), 5);
      return { post: () => undefined, keepAlive: () => undefined, terminate: async () => undefined };
    };
    const device = await createCpuDevice({ threads: 2, spawn, callerWorks: false });
    await expect(device.load(ARENA, await codeOf({ add: ADD }), WEIGHTS)).rejects.toThrow(
      /blocked by policy/,
    );
    await device.close();
  });

  it("works with a caller that may not block", async () => {
    const device = await createCpuDevice({ threads: 2, spawn: spawnNodeThread, callerWorks: false });
    const loaded = await device.load(ARENA, await codeOf({ add: ADD }), WEIGHTS);
    await loaded.bind({ tokens: 9 });
    loaded.write("x", new Float32Array(9).fill(1));
    for (let i = 0; i < 50; i++) await loaded.run(["prompt", "step"], i % 3);
    expect(await loaded.read("other")).toEqual(new Float32Array(9).fill(2 + 26));
    await device.close();
  });

  it("lends a program's threads to the next, all of them new to it, and ends them when it closes", async () => {
    let [started, ended] = [0, 0];
    const spawn: SpawnThread = (source, owner) => {
      started += 1;
      const thread = spawnNodeThread(source, owner);
      const terminate = () => {
        ended += 1;
        return thread.terminate();
      };
      return { ...thread, terminate };
    };
    const device = await createCpuDevice({ threads: 2, spawn, callerWorks: false });
    const code = await codeOf({ add: ADD });
    const drawn = async (runs: number, tokens: number) => {
      const loaded = await device.load(ARENA, code, WEIGHTS);
      await loaded.bind({ tokens });
      loaded.write("x", new Float32Array(tokens).fill(1));
      for (let i = 0; i < runs; i++) await loaded.run(["prompt", "step"], 0);
      expect(await loaded.read("other")).toEqual(new Float32Array(tokens).fill(2 + 15));
      return loaded;
    };
    // The second has fewer runs behind it than the first: its own count begins at one.
    for (const [runs, tokens] of [
      [5, 9],
      [1, 4],
      [2, 70],
    ] as const) {
      const loaded = await drawn(runs, tokens);
      await loaded.close();
      await loaded.close();
    }
    expect([started, ended]).toEqual([2, 0]);
    const open = await Promise.all([drawn(1, 3), drawn(2, 5)]);
    expect([started, ended]).toEqual([4, 0]);
    await open[0].close();
    await device.close();
    await open[1].close();
    expect([started, ended]).toEqual([4, 4]);
  });

  it("lends no thread that was stopped", async () => {
    const device = await createCpuDevice({
      threads: 2,
      spawn: spawnNodeThread,
      callerWorks: false,
      stallSeconds: 1,
    });
    await expect(device.load(ARENA, await codeOf({ add: ENDLESS }), WEIGHTS)).rejects.toThrow(/stopped/);
    const loaded = await device.load(ARENA, await codeOf({ add: ADD }), WEIGHTS);
    await loaded.bind({ tokens: 2 });
    await device.close();
  });

  it("finds relaxed SIMD in the engine", async () => {
    await createNodeCpuDevice({ threads: 1 });
    expect(engineFeatures().has("relaxed-simd")).toBe(true);
  });
});
