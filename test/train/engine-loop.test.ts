/** Training that is stopped, killed or fed nonsense. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  STATE_FILE,
  type TrainingOptions,
  type TrainingProgress,
  type TrainingResult,
  train,
} from "../../compiler/train/engine/loop.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import { feeds, initial, NO_FILES, REGRESSION } from "./regression.js";

const root = mkdtempSync(join(tmpdir(), "tritc-training-"));
afterAll(() => rmSync(root, { recursive: true }));

const STEPS = 12;

function options(folder: string, changes: Partial<TrainingOptions> = {}): TrainingOptions {
  return {
    ...{ program: REGRESSION, initial, loss: "loss", steps: STEPS, feeds, identity: "regression" },
    ...{ folder, interval: 1e6, reader: NO_FILES, threads: 1, ...changes },
  };
}

const newFolder = () => mkdtempSync(join(root, "t-"));
const stateFile = (folder: string) => readFileSync(join(folder, STATE_FILE));

/** Trains to the end; gives losses and the file of the state. */
async function finish(folder: string, changes: Partial<TrainingOptions> = {}) {
  const { engine, losses } = await train(options(folder, changes));
  const count = (await engine.read("count")).data[0];
  await engine.close();
  return { losses, count, file: stateFile(folder) };
}

/** Trains until `step` has ended, when it is stopped. */
async function stopAfter(
  folder: string,
  step: number,
  changes: Partial<TrainingOptions> = {},
): Promise<void> {
  const stopped = new AbortController();
  const onProgress = (progress: TrainingProgress) => {
    if (progress.step === step) stopped.abort(new Error("stopped"));
  };
  const running = train(options(folder, { ...changes, signal: stopped.signal, onProgress }));
  await expect(running).rejects.toThrow("stopped");
}

let uninterrupted: ReturnType<typeof finish> | undefined;
/** What a training gives that nothing disturbs. */
const whole = () => {
  uninterrupted ??= finish(newFolder());
  return uninterrupted;
};

it("learns, and says how far it is", async () => {
  const told: TrainingProgress[] = [];
  const folder = newFolder();
  const { losses, count } = await finish(folder, { onProgress: (progress) => told.push(progress) });
  expect(losses.length).toBe(STEPS);
  expect(count).toBe(BigInt(STEPS));
  // The same four targets come again and again.
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
  expect(mean(losses.slice(8))).toBeLessThan(0.98 * mean(losses.slice(0, 4)));
  expect(told.map(({ step, steps, loss }) => [step, steps, loss])).toEqual(
    losses.map((loss, i) => [i + 1, STEPS, loss]),
  );
  for (const { step, rate, secondsLeft } of told) expect(secondsLeft * rate).toBeCloseTo(STEPS - step);
  const tensors = parseSafetensors(stateFile(folder));
  expect([...tensors.keys()]).toEqual(["w1", "w2", "m1", "m2", "narrow", "count", "__sha256__"]);
  expect(tensors.get("narrow")?.dtype).toBe("bf16");
  expect(readdirSync(folder)).toEqual([STATE_FILE]);
});

describe("a training that goes on gives the bytes of one that was not interrupted", () => {
  it("after it was stopped twice", async () => {
    const folder = newFolder();
    await stopAfter(folder, 3);
    await stopAfter(folder, 8);
    expect(await finish(folder)).toEqual(await whole());
  });

  it("after its process died between two checkpoints", async () => {
    const folder = newFolder();
    // While the seventh step runs.
    const died = (step: number) => {
      if (step === 7) throw new Error("died");
      return feeds(step);
    };
    await expect(train(options(folder, { interval: 0, feeds: died }))).rejects.toThrow("died");
    expect(parseSafetensors(stateFile(folder)).get("count")?.data[0]).toBe(6n);
    expect(await finish(folder)).toEqual(await whole());
  });

  it("when it was at its end already", async () => {
    const folder = newFolder();
    const first = await finish(folder);
    const never = () => {
      throw new Error("there is no step");
    };
    expect(await finish(folder, { feeds: never, initial: never })).toEqual(first);
  });
});

it("a signal from before keeps it from beginning", async () => {
  const folder = newFolder();
  const signal = AbortSignal.abort(new Error("stopped"));
  await expect(train(options(folder, { signal }))).rejects.toThrow("stopped");
  expect(readdirSync(folder)).toEqual([]);
});

describe("a checkpoint", () => {
  const refused = (folder: string, changes?: Partial<TrainingOptions>) =>
    train(options(folder, changes)).then(({ engine }: TrainingResult) => engine.close());

  it.each([
    [
      "a bit of its state",
      (file: Buffer) => void file.writeUInt8(file.readUInt8(file.length - 99) ^ 1, file.length - 99),
    ],
    ["a digit of its losses", (file: Buffer) => void file.write("7", file.indexOf("losses") + 12)],
    ["its end", (file: Buffer) => file.subarray(0, -1)],
    ["nearly all", (file: Buffer) => file.subarray(0, 7)],
    ["all", (file: Buffer) => file.subarray(0, 0)],
  ])("that lost %s is refused", async (_, damage) => {
    const folder = newFolder();
    const file = Buffer.from((await whole()).file);
    const damaged = damage(file) ?? file;
    expect(damaged.equals((await whole()).file)).toBe(false);
    writeFileSync(join(folder, STATE_FILE), damaged);
    await expect(refused(folder)).rejects.toMatchObject({
      code: "TRITC_E_TRAINING_STATE",
      details: { place: join(folder, STATE_FILE), message: "the checkpoint is damaged" },
    });
  });

  it("of another training is refused, and stays", async () => {
    const folder = newFolder();
    const { file } = await whole();
    writeFileSync(join(folder, STATE_FILE), file);
    const other = (details: object) => ({
      code: "TRITC_E_TRAINING_STATE",
      details: expect.objectContaining(details),
    });
    await expect(refused(folder, { identity: "distillation" })).rejects.toMatchObject(
      other({ expected: "distillation", found: "regression" }),
    );
    await expect(refused(folder, { steps: STEPS - 1 })).rejects.toMatchObject(
      other({ found: `${STEPS} steps` }),
    );
    const { graph, state } = REGRESSION;
    await expect(refused(folder, { program: { graph, state: state.slice(1) } })).rejects.toMatchObject(
      other({ expected: "w2: f32[8, 3]", found: "w1: f32[5, 8]" }),
    );
    const fewer = { graph, state: state.slice(0, -1) };
    await expect(refused(folder, { program: fewer })).rejects.toMatchObject(
      other({ expected: "__sha256__: u8[32]", found: "count: i64[]" }),
    );
    expect(stateFile(folder)).toEqual(file);
  });

  it("is not written over by a state that is not finite", async () => {
    const folder = newFolder();
    // The third step makes its weights infinite, of which its own loss knows nothing.
    const fast = (step: number) =>
      new Map([
        ...feeds(step),
        ...(step === 2
          ? [["rate", { ...initial("count"), dtype: "f32", data: Float32Array.of(Infinity) }] as const]
          : []),
      ]);
    await expect(refused(folder, { feeds: fast, interval: 0 })).rejects.toMatchObject({
      code: "TRITC_E_DIVERGED",
      details: { found: "NaN or infinity in w1" },
    });
    expect(parseSafetensors(stateFile(folder)).get("count")?.data[0]).toBe(2n);
    expect(readdirSync(folder)).toEqual([STATE_FILE]);
  });
});

it("a loss that is not finite ends the training, with what to try", async () => {
  const folder = newFolder();
  const bad = (step: number) => {
    const fed = new Map(feeds(step));
    if (step === 4) fed.set("t", { dtype: "f32", shape: [16, 3], data: new Float32Array(48).fill(1e30) });
    return fed;
  };
  await expect(train(options(folder, { feeds: bad, interval: 0 }))).rejects.toMatchObject({
    code: "TRITC_E_DIVERGED",
    details: {
      place: `step 5 of ${STEPS}`,
      found: expect.stringMatching(/^a loss of Infinity, after 1\.03\d* in the step before$/),
      remedy: expect.stringContaining("lower learning rate"),
    },
  });
  expect(parseSafetensors(stateFile(folder)).get("count")?.data[0]).toBe(4n);
});
