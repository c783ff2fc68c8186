import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { TritcError } from "../../ir/errors.js";
import { phasesWith } from "../../ir/program/phases.js";
import { CudaContext, listDevices } from "../../runtime/node/cuda/context.js";
import { type CudaDeviceOptions, createNodeCudaDevice } from "../../runtime/node/cuda/device.js";
import { CudaDriver } from "../../runtime/node/cuda/driver.js";
import { surveyCuda } from "../../runtime/node/cuda/survey.js";
import { Transfers } from "../../runtime/node/cuda/transfers.js";
import { openDevice } from "../../runtime/node/open-device.js";
import { failure, fakeCuda } from "../support/fake-cuda.js";
import { byPhase } from "../support/phases.js";
import { randomFloats } from "../support/random.js";
import { expected, expectNear, kernelOf, PROGRAM, scaleRowsCode, weights } from "../support/scale-rows.js";

const fake = await fakeCuda();
const { withDevice } = fake;
const code = await scaleRowsCode();

describe("errors of a CUDA device", () => {
  it("have CUDA's name, and name the launch where each is waited for", async () => {
    const stray = {
      ...PROGRAM,
      kernels: [kernelOf("scale"), kernelOf("stray")],
      phases: phasesWith({
        ...byPhase(PROGRAM),
        step: byPhase(PROGRAM).step.map((l) => ({ ...l, kernel: "stray" })),
      }),
    };
    const run = (options: CudaDeviceOptions): Promise<TritcError> =>
      withDevice(async (device) => {
        const loaded = await device.load(stray, code, weights);
        await loaded.bind({ t: 3, steps: 1 });
        loaded.write("x", new Float32Array(15));
        loaded.write("table", new Float32Array(1));
        const error = await failure(loaded.run(["step", "euler"], 0));
        await loaded.close();
        return error;
      }, options);
    const late = await run({});
    expect(late.code).toBe("TRITC_E_CUDA");
    expect(late.message).toMatch(/phases step, euler at step 0/);
    expect(late.message).toMatch(/cuStreamSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS \(700\)/);
    expect(late.message).toMatch(/TRITC_CUDA_SYNC=1/);
    for (const options of [{ synchronous: true }, {}]) {
      vi.stubEnv("TRITC_CUDA_SYNC", "1");
      const named = await run(options);
      expect(named.message).toMatch(/launch x to y \(kernel stray, 1 × 3 × 1 blocks\)/);
      expect(named.message).toMatch(/defect of the kernel/);
    }
  });

  it("name a launch that the driver refuses, in a graph too", () =>
    withDevice(async (device) => {
      const loaded = await device.load(PROGRAM, code, weights);
      await loaded.bind({ t: 3, steps: 1 });
      for (const run of [1, 2]) {
        fake.fail("cuLaunchKernel", 1, 701);
        const error = await failure(loaded.run(["step", "euler"], 0));
        expect(error.message).toMatch(/launch y to x \(kernel scale, 1 × 3 × 1 blocks\)/);
        expect(error.message).toMatch(/cuLaunchKernel: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES/);
        if (run === 1) await loaded.run(["step", "euler"], 0);
      }
      await loaded.close();
    }));

  it("leave nothing behind, whichever call of `load` fails", () =>
    withDevice(async (device) => {
      const calls = [
        ["cuStreamCreate", 1],
        ["cuModuleLoadData", 1],
        ["cuModuleGetFunction", 1],
        ["cuMemAlloc_v2", 2],
        ["cuMemHostAlloc", 2],
        ["cuEventCreate", 2],
        ["cuMemcpyHtoDAsync_v2", 2],
        ["cuMemsetD32Async", 1],
        ["cuEventRecord", 2],
        ["cuLaunchKernel", 1],
        ["cuStreamSynchronize", 1],
      ] as const;
      const before = fake.liveObjects();
      for (const [call, times] of calls) {
        for (let after = 0; after < times; after++) {
          fake.fail(call, after, 2);
          const error = await failure(device.load(PROGRAM, code, weights));
          expect(error.message, call).toMatch(call === "cuModuleGetFunction" ? /no function/ : call);
          expect(fake.liveObjects(), `${call} ${after}`).toBe(before);
        }
      }
    }));

  it("say how much memory there is, and leave the program usable", () =>
    withDevice(async (device) => {
      const loaded = await device.load(PROGRAM, code, weights);
      const before = fake.liveObjects();
      fake.setMemory(8 * 2 ** 20);
      const error = await failure(loaded.bind({ t: 2 ** 20, steps: 1 }));
      expect(error.code).toBe("TRITC_E_CUDA_MEMORY");
      expect(error.message).toMatch(/buffers of the model \(t = 1048576, steps = 1\)/);
      expect(error.message).toMatch(/CUDA_ERROR_OUT_OF_MEMORY.*61 MiB wanted, 7 of 8 MiB free/);
      expect(fake.liveObjects()).toBe(before);
      await loaded.bind({ t: 2, steps: 1 });
      const x = randomFloats(3, 10);
      loaded.write("x", x);
      loaded.write("table", Float32Array.of(4));
      await loaded.run(["step", "euler"], 0);
      expectNear(await loaded.read("x"), expected(x, [4], [0]));
      await loaded.close();
    }));

  it("of a closed device say so", async () => {
    const device = await createNodeCudaDevice({ driver: fake.path });
    await device.close();
    await device.close();
    expect((await failure(device.load(PROGRAM, code, weights))).message).toMatch(/was closed/);
  });
});

describe("the CUDA driver", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tritc-cuda-"));
  });
  afterAll(() => rm(folder, { recursive: true }));
  /** Another name of the library: drivers are kept by their path. */
  const alias = async (name: string): Promise<string> => {
    const path = join(folder, name);
    await symlink(fake.path, path);
    return path;
  };

  it("may be missing, too old, unable to start or without a GPU", async () => {
    const missing = await failure(createNodeCudaDevice({ driver: join(folder, "absent.so") }));
    expect(missing.code).toBe("TRITC_E_CUDA_DRIVER");
    expect(missing.message).toMatch(/there is no NVIDIA driver[\s\S]*absent\.so/);

    const other = await failure(createNodeCudaDevice({ driver: "libc.so.6" }));
    expect(other.message).toMatch(/too old[\s\S]*cuInit/);

    fake.setVersion(11_040);
    const old = await failure(createNodeCudaDevice({ driver: await alias("old.so") }));
    expect(old.message).toMatch(/CUDA 12\.0 or newer[\s\S]*CUDA 11\.4/);

    fake.reset();
    fake.fail("cuInit", 0, 3);
    const dead = await failure(createNodeCudaDevice({ driver: fake.path }));
    expect(dead.code).toBe("TRITC_E_CUDA_DRIVER");
    expect(dead.message).toMatch(/CUDA_ERROR_NOT_INITIALIZED/);

    fake.setDevices(0);
    const none = await failure(createNodeCudaDevice({ driver: fake.path }));
    expect(none.code).toBe("TRITC_E_CUDA_DEVICE");
    fake.reset();
    const second = await failure(createNodeCudaDevice({ driver: fake.path, device: 1 }));
    expect(second.message).toMatch(/expected: 0 to 0[\s\S]*found: {4}1/);
  });

  it("opens devices for the CUDA targets", async () => {
    vi.stubEnv("TRITC_CUDA_DRIVER", fake.path);
    for (const target of ["a10", "h200", "cuda-portable"]) {
      const device = await openDevice(target);
      expect(device.kind).toBe("cuda");
      await device.close();
    }
    expect((await failure(openDevice("b900"))).code).toBe("TRITC_E_TARGET");
  });

  it("is surveyed", async () => {
    fake.setDevices(2);
    fake.setCapability(9, 0);
    const { driverVersion, devices } = await surveyCuda(fake.path);
    expect(driverVersion).toBe("13.0");
    expect(devices.map(({ ordinal, target }) => [ordinal, target])).toEqual([
      [0, "cuda-portable"],
      [1, "cuda-portable"],
    ]);
    expect(devices[0]).toMatchObject({ major: 9, minor: 0, freeBytes: 2 ** 33, memoryBytes: 2 ** 33 });
  });
});

describe("transfers", () => {
  it("go through two pinned buffers, in pieces", async () => {
    const driver = await CudaDriver.load(fake.path);
    const info = listDevices(driver)[0];
    if (info === undefined) throw new Error("no device");
    const context = new CudaContext(driver, info);
    context.enter();
    const stream = context.createStream();
    const transfers = new Transfers(context, stream, 2 ** 16);
    for (const bytes of [1, 2 ** 16, 5 * 2 ** 16 + 7]) {
      const data = new Uint8Array(randomFloats(bytes, Math.ceil(bytes / 4)).buffer).subarray(0, bytes);
      const address = context.allocate(bytes, "test");
      await transfers.upload(address, data, "test");
      const back = new Uint8Array(bytes);
      await transfers.download(back, address, "test");
      expect(Buffer.compare(back, data)).toBe(0);
      context.enter();
      driver.call("test", "cuMemFree_v2", address);
    }
    expect(fake.count("cuMemHostAlloc")).toBe(2);
    transfers.release();
    driver.call("test", "cuStreamDestroy_v2", stream);
    context.close();
  });
});
