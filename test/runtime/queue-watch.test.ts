import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { QueueWatch } from "../../runtime/webgpu/queue-watch.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A queue whose work is done when the test says so. */
function fakeDevice() {
  const waiting: (() => void)[] = [];
  const queue = {
    submit: () => undefined,
    onSubmittedWorkDone: () => new Promise<void>((resolve) => waiting.push(resolve)),
  };
  return { device: { queue } as unknown as GPUDevice, finishOne: () => waiting.shift()?.() };
}

const COMMANDS = {} as GPUCommandBuffer;

it("gives a device up whose work does not end, and names what it was", async () => {
  const { device, finishOne } = fakeDevice();
  const given: GPUDevice[] = [];
  const watch = new QueueWatch(device, 2, (lost) => given.push(lost));
  for (const name of ["a", "b", "c"]) watch.submit(name, COMMANDS);
  const settled = expect(watch.settle()).rejects.toMatchObject({
    code: "TRITC_E_KERNEL_STALLED",
    message: expect.stringMatching(/^b: [\s\S]*within 2 s/),
  });
  finishOne();
  await vi.advanceTimersByTimeAsync(4000);
  await settled;
  expect(given).toEqual([device]);
  expect(() => watch.throwIfStalled()).toThrow(/^b: /);
  await expect(watch.wait("more", Promise.resolve())).rejects.toThrow(/^b: /);
});

it("waits for as long as something comes to an end", async () => {
  const { device, finishOne } = fakeDevice();
  const watch = new QueueWatch(device, 2, () => expect.unreachable());
  const names = ["a", "b", "c", "d", "e"];
  for (const name of names) watch.submit(name, COMMANDS);
  const settled = watch.settle().then(() => "settled");
  for (const _ of names) {
    await vi.advanceTimersByTimeAsync(1500);
    finishOne();
  }
  finishOne();
  expect(await settled).toBe("settled");
  expect(vi.getTimerCount()).toBe(0);
});

it("passes on what goes wrong otherwise", async () => {
  const { device } = fakeDevice();
  const watch = new QueueWatch(device, 1, () => expect.unreachable());
  await expect(watch.wait("reading", Promise.reject(new Error("lost")))).rejects.toThrow("lost");
  expect(watch.isStalled).toBe(false);
});
