import { EventEmitter, once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { phasesWith } from "../../ir/program/phases.js";
import type { Program } from "../../ir/program/program.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device, LoadedProgram } from "../../runtime/device.js";
import { evaluateBundle } from "../../runtime/evaluate.js";
import { oneAtATime } from "../../runtime/one-at-a-time.js";
import { Turns } from "../../runtime/turns.js";

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "done",
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  );

describe("turns", () => {
  it("come in order of arrival, whatever becomes of each", async () => {
    const turns = new Turns("test");
    const log: string[] = [];
    const work = (name: string, ms: number) =>
      turns.take(async () => {
        log.push(`${name} begins`);
        await sleep(ms);
        log.push(`${name} ends`);
        if (name === "b") throw new Error("b fails");
        return name;
      });
    const all = await Promise.allSettled([work("a", 9), work("b", 1), work("c", 3)]);
    expect(all.map((r) => (r.status === "fulfilled" ? r.value : (r.reason as Error).message))).toEqual([
      "a",
      "b fails",
      "c",
    ]);
    expect(log).toEqual(["a", "b", "c"].flatMap((name) => [`${name} begins`, `${name} ends`]));
  });

  it("reject at once when aborted; what runs keeps its turn, what waits never begins", async () => {
    const turns = new Turns("test");
    const [first, second] = [new AbortController(), new AbortController()];
    const began: string[] = [];
    const hold = new EventEmitter();
    const running = turns.take(() => {
      began.push("running");
      return once(hold, "end");
    }, first.signal);
    const waiting = turns.take(() => began.push("waiting"), second.signal);
    const last = turns.take(() => began.push("last"));
    second.abort(new Error("not now"));
    await expect(waiting).rejects.toThrow("not now");
    first.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    expect(began).toEqual(["running"]);
    hold.emit("end");
    await last;
    expect(began).toEqual(["running", "last"]);
    await expect(turns.take(() => 1, AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
  });

  it("end with close, which waits for all before it", async () => {
    const turns = new Turns("thing");
    const log: string[] = [];
    const running = turns.take(async () => {
      await sleep(2);
      log.push("work");
    });
    const close = () => turns.close(async () => void log.push("closed"));
    const closing = [close(), close()];
    await expect(turns.take(() => log.push("late"))).rejects.toThrow(/thing was closed/);
    await Promise.all([running, ...closing]);
    expect(log).toEqual(["work", "closed"]);
    expect(await codeOf(turns.take(() => 1))).toBe("TRITC_E_CLOSED");
  });
});

/** y = x + the bound size; each call takes a moment, and overlapping calls are counted. */
class SlowDevice implements Device {
  readonly kind = "cpu";
  readonly description = "slow";
  readonly has = () => false;
  active = 0;
  overlaps = 0;
  open = 0;

  async moment<T>(result: () => T): Promise<T> {
    this.active += 1;
    if (this.active > 1) this.overlaps += 1;
    await sleep(1);
    this.active -= 1;
    return result();
  }

  async load(): Promise<LoadedProgram> {
    const state = { size: 0, x: new Float32Array(), y: new Float32Array() };
    await this.moment(() => this.open++);
    return {
      bind: ({ n }) =>
        this.moment(() => {
          state.size = n ?? 0;
        }),
      write(_, data) {
        state.x = Float32Array.from(data);
      },
      run: () =>
        this.moment(() => {
          state.y = state.x.map((v) => v + state.size);
        }),
      read: () => this.moment(() => state.y),
      memoryBytes: () => 0,
      peakMemoryBytes: () => 0,
      close: () => this.moment(() => void this.open--),
    };
  }

  async close(): Promise<void> {
    if (this.active > 0) this.overlaps += 1;
  }
}

const PROGRAM: Program = {
  target: "cpu",
  symbols: ["n"],
  buffers: ["bx", "by"].map((id) => ({ id, dtype: "f32", elements: "n", storage: { kind: "host" } })),
  kernels: [],
  phases: phasesWith({ load: [], prompt: [], step: [], euler: [] }),
  inputs: [{ name: "x", role: null, buffer: "bx", dtype: "f32", shape: ["n"], batchAxis: null }],
  outputs: [{ name: "y", role: null, buffer: "by", dtype: "f32", shape: ["n"], batchAxis: null }],
  model: null,
};
const NO_CODE = { source: () => "", binary: () => new Uint8Array() };
const NO_WEIGHTS = { bytes: async () => new Uint8Array() };

describe("a device", () => {
  it("evaluates for several callers at once as for one", async () => {
    const slow = new SlowDevice();
    const device = oneAtATime(slow);
    const programs = await Promise.all(
      Array.from({ length: 2 }, () => device.load(PROGRAM, NO_CODE, NO_WEIGHTS)),
    );
    const results = await Promise.all(
      Array.from({ length: 10 }, async (_, i) => {
        const x: Tensor = { dtype: "f32", shape: [i + 1], data: new Float32Array(i + 1).fill(100 * i) };
        return (await evaluateBundle(programs[i % 2]!, PROGRAM, new Map([["x", x]]))).get("y")?.data;
      }),
    );
    expect(results).toEqual(results.map((_, i) => new Float32Array(i + 1).fill(101 * i + 1)));
    expect(slow.overlaps).toBe(0);
    await device.close();
  });

  it("does calls in order, and refuses to write into a program at work", async () => {
    const slow = new SlowDevice();
    const loaded = await oneAtATime(slow).load(PROGRAM, NO_CODE, NO_WEIGHTS);
    const bound = loaded.bind({ n: 1 });
    expect(() => loaded.write("bx", Float32Array.of(1))).toThrow(/while its program is at work/);
    await bound;
    loaded.write("bx", Float32Array.of(1));
    const [, , , y] = await Promise.all([
      loaded.run([], 0),
      loaded.bind({ n: 5 }),
      loaded.run([], 0),
      loaded.read("by"),
    ]);
    expect(y).toEqual(Float32Array.of(6));
    expect(slow.overlaps).toBe(0);
  });

  it("closes after what was asked for, with its programs, once; then it refuses", async () => {
    const slow = new SlowDevice();
    const device = oneAtATime(slow);
    const loaded = await device.load(PROGRAM, NO_CODE, NO_WEIGHTS);
    const late = device.load(PROGRAM, NO_CODE, NO_WEIGHTS);
    const ran = loaded.run([], 0);
    await Promise.all([device.close(), device.close(), loaded.close()]);
    await Promise.all([late, ran, loaded.close()]);
    expect([slow.open, slow.overlaps]).toEqual([0, 0]);
    const calls = [
      device.load(PROGRAM, NO_CODE, NO_WEIGHTS),
      loaded.run([], 0),
      loaded.read("by"),
      loaded.bind({}),
    ];
    expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => "TRITC_E_CLOSED"));
    expect(() => loaded.write("bx", Float32Array.of(1))).toThrow(/was closed/);
  });
});
