/** Signals to a process that trains, which has steps that are in no checkpoint yet. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { calibrate } from "../../compiler/calibrate/calibrate.js";
import { parseHeader } from "../../ir/format/safetensors.js";
import { builtCli } from "../support/built-cli.js";
import { writePipeline, writeTransformer } from "../support/conditioned-pipeline.js";

const root = mkdtempSync(join(tmpdir(), "tritc-interrupted-"));
const at = (name: string) => join(root, name);
let main = "";
beforeAll(async () => {
  main = await builtCli();
  const pipeline = writePipeline(at("pipeline"));
  mkdirSync(join(pipeline, "transformer"));
  writeTransformer(join(pipeline, "transformer", "model.onnx"), 64);
  await calibrate({
    ...{ input: pipeline, out: at("calibration"), threads: 1, batch: 2, steps: 1 },
    prompts: ["a photo of a red circle", "a photo of a blue ring"],
  });
}, 240_000);
afterAll(() => rmSync(root, { recursive: true }));

interface Event {
  readonly event: string;
  readonly done?: number;
  readonly text?: string;
  readonly error?: { readonly code: string };
}

/** A training that does not end by itself and makes no checkpoint in time. */
function start(out: string) {
  const child = execa(
    "node",
    [
      ...[main, "distill", at("pipeline"), "--calibration", at("calibration"), "-o", at(out)],
      ...["--steps", "1000000", "--batch", "2", "--interval", "1000000", "--threads", "1"],
      ...["--progress", "json"],
    ],
    { reject: false },
  );
  const events: Event[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    events.push(JSON.parse(line));
    for (const look of waiting) look();
  });
  /** The first event that is meant; rejects where the process ends before. */
  const event = (isMeant: (event: Event) => boolean): Promise<Event> =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = events.find(isMeant);
        if (found !== undefined) resolve(found);
      };
      waiting.add(look);
      look();
      void child.then(({ stderr }) => reject(new Error(`it ended: ${stderr}`)));
    });
  return { child, events, event };
}

const state = (out: string) => at(`.${out}.partial/journal/training.safetensors`);
const stepsIn = (out: string): number => {
  const file = readFileSync(state(out));
  const { metadata } = parseHeader(file, file.length);
  return JSON.parse(metadata.get("tritc-training") ?? "").losses.length;
};
const isSaving = ({ event, text }: Event) => event === "note" && /^saving what was done/.test(text ?? "");

it("saves what was trained, and the next one goes on from there", async () => {
  let done = 0;
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    const { child, events, event } = start("out");
    expect((await event((e) => e.event === "progress")).done).toBe(done + 1);
    await event((e) => e.event === "progress" && (e.done ?? 0) >= done + 3);
    child.kill(signal);
    expect((await child).exitCode).toBe(code);
    expect(events.filter(isSaving).length).toBe(1);
    expect(events.at(-1)).toMatchObject({ event: "error", error: { code: "TRITC_E_INTERRUPTED" } });
    expect(events).toContainEqual({
      event: "note",
      text: expect.stringContaining(`what is done is kept in ${at(".out.partial")}`),
    });
    const told = events.findLast((e) => e.event === "progress")?.done ?? 0;
    done = stepsIn("out");
    // Not every step is told of.
    expect(done).toBeGreaterThanOrEqual(told);
  }
}, 240_000);

it("a second signal ends it within the step", async () => {
  const { child, event } = start("twice");
  await event((e) => e.event === "progress");
  // The step in ONNX Runtime's process does not end.
  const { stdout } = await execa("ps", ["-A", "-o", "pid=,ppid="]);
  const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  const [runtime] = rows.find(([, parent]) => parent === child.pid) ?? [];
  if (runtime === undefined) throw new Error("no process of ONNX Runtime");
  process.kill(runtime, "SIGSTOP");
  child.kill("SIGINT");
  await event(isSaving);
  child.kill("SIGTERM");
  expect((await child).exitCode).toBe(130);
  expect(existsSync(state("twice"))).toBe(false);
  expect(existsSync(at("twice"))).toBe(false);
}, 240_000);
