/** A signal that comes while modules load is an event that waits until they have. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CliIo } from "../../compiler/cli/io.js";
import { loaded } from "../../compiler/cli/loaded.js";
import { interruptible, stopOnInterrupt } from "../../compiler/interruptible.js";

const SIGNAL = "SIGUSR2";
let interrupted = new AbortController();
const stop = () => interrupted.abort(new Error("interrupted"));
const { stdin, stdout, stderr } = process;
const io: CliIo = { stdin, stdout, stderr, interruptSignal: () => interrupted.signal };

beforeEach(() => {
  interrupted = new AbortController();
  process.once(SIGNAL, stop);
});
afterEach(() => {
  process.off(SIGNAL, stop);
});

describe("a command's modules", () => {
  it("are there where no signal came", async () => {
    expect(await loaded(Promise.resolve({ work: 1 }), { io })).toEqual({ work: 1 });
  });

  it("begin no work where a signal came while they loaded", async () => {
    const module = Promise.resolve().then(() => {
      process.kill(process.pid, SIGNAL);
      return { work: 1 };
    });
    await expect(loaded(module, { io })).rejects.toThrow("interrupted");
  });
});

it("work that is not begun throws what stopped the work before it", () => {
  stopOnInterrupt(() => new Error("stopped"), interrupted.signal);
  expect(interruptible(() => 1)).toBe(1);
  stop();
  let begun = false;
  const work = () => {
    begun = true;
  };
  expect(() => interruptible(work)).toThrow("interrupted");
  expect(begun).toBe(false);
});
