import { mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cacheDir } from "../../runtime/node/cache-dir.js";
import { prepareSoftwareVulkan } from "../../runtime/node/software-adapter.js";
import { readTar } from "../../runtime/node/tar.js";
import { driverFolders, hasVulkanDriver } from "../../runtime/node/vulkan-drivers.js";
import { type OpenedAdapter, openAdapter } from "../../runtime/node/webgpu.js";

const ROWS = 37;
const WORDS = 11;
const POISON = 0x5a5a5a5a;

const SHADER = `
@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<i32>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${ROWS}u) { return; }
  var sum = 0i;
  for (var word = 0u; word < ${WORDS}u; word++) {
    sum += dot4I8Packed(a[id.x * ${WORDS}u + word], b[word]);
  }
  sums[id.x] = sum;
}`;

/** Every int8 value appears, -128 and 127 included; no lane repeats its neighbour. */
function bytes(length: number, stride: number): Int8Array<ArrayBuffer> {
  return Int8Array.from({ length }, (_, i) => ((i * stride + 128) % 256) - 128);
}

function upload(device: GPUDevice, data: ArrayBufferView<ArrayBuffer>, usage: number): GPUBuffer {
  const buffer = device.createBuffer({ size: data.byteLength, usage: usage | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

async function packedDots(device: GPUDevice, a: Int8Array<ArrayBuffer>, b: Int8Array<ArrayBuffer>) {
  const module = device.createShaderModule({ code: SHADER });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  // One row more than the kernel owns, poisoned, shows a write past the end.
  const poisoned = new Int32Array(ROWS + 1).fill(POISON);
  const sums = upload(device, poisoned, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const buffers = [
    upload(device, a, GPUBufferUsage.STORAGE),
    upload(device, b, GPUBufferUsage.STORAGE),
    sums,
  ];
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const back = device.createBuffer({
    size: poisoned.byteLength,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(Math.ceil(ROWS / 8));
  pass.end();
  encoder.copyBufferToBuffer(sums, 0, back, 0, poisoned.byteLength);
  device.queue.submit([encoder.finish()]);
  await back.mapAsync(GPUMapMode.READ);
  return [...new Int32Array(back.getMappedRange().slice(0))];
}

describe("openAdapter", () => {
  const handles: OpenedAdapter[] = [];
  afterAll(() => {
    for (const handle of handles) handle.release();
  });

  it.each(["auto", "always"] as const)(
    "computes exact int8 dot products (software: %s)",
    async (software) => {
      const opened = await openAdapter({ software });
      handles.push(opened);
      if (software === "always") expect(opened.info.software).toBe(true);
      const device = await opened.adapter.requestDevice();
      const a = bytes(ROWS * WORDS * 4, 37);
      const b = bytes(WORDS * 4, 101);
      const expected = Array.from({ length: ROWS }, (_, row) =>
        b.reduce((sum, value, k) => sum + value * (a[row * WORDS * 4 + k] ?? Number.NaN), 0),
      );
      expect(await packedDots(device, a, b)).toEqual([...expected, POISON]);
    },
  );

  it("opens several at once and leaves the environment as it was", async () => {
    const before = { icd: process.env.VK_ICD_FILENAMES, drivers: process.env.VK_DRIVER_FILES };
    const opened = await Promise.all([
      openAdapter({ software: "always" }),
      openAdapter({ software: "always" }),
    ]);
    handles.push(...opened);
    expect(opened[0].adapter).not.toBe(opened[1].adapter);
    expect({ icd: process.env.VK_ICD_FILENAMES, drivers: process.env.VK_DRIVER_FILES }).toEqual(before);
  });

  it("destroys the devices of a released adapter", async () => {
    const opened = await openAdapter({ software: "always" });
    const device = await opened.adapter.requestDevice();
    opened.release();
    opened.release();
    expect((await device.lost).reason).toBe("destroyed");
  });

  it("never takes a software adapter for a GPU", async () => {
    const opened = await openAdapter({ software: "never" }).catch((error: unknown) => error);
    if (opened instanceof Error) {
      expect(opened).toMatchObject({ name: "TritcError", code: "TRITC_E_NO_ADAPTER" });
      expect(opened.message).toContain("a GPU");
    } else {
      expect(opened).toMatchObject({ info: { software: false } });
    }
  });
});

describe.runIf(process.platform === "linux" && process.arch === "x64")("prepareSoftwareVulkan", () => {
  const homes: string[] = [];
  const newHome = async (): Promise<string> => {
    const home = await mkdtemp(join(tmpdir(), "tritc-home-"));
    homes.push(home);
    return home;
  };
  afterAll(() => Promise.all(homes.map((home) => rm(home, { recursive: true, force: true }))));

  it("unpacks once, whole, also when called several times at once", async () => {
    const home = join(await newHome(), "of", "its", "own");
    const results = await Promise.all([1, 2, 3].map(() => prepareSoftwareVulkan(home)));
    expect(new Set(results.map((result) => result.icd)).size).toBe(1);
    expect(await readdir(home)).toHaveLength(1);
  });

  it("replaces a file that was cut short", async () => {
    const home = await newHome();
    const { loader } = await prepareSoftwareVulkan(home);
    const { size } = await stat(loader);
    await truncate(loader, 1000);
    await prepareSoftwareVulkan(home);
    expect((await stat(loader)).size).toBe(size);
    expect(await readdir(home)).toHaveLength(1);
  });

  it.each(["/dev/null/tritc", "/proc/tritc", "/proc/tritc/below"])(
    "says what to do where the cache cannot be written: %s",
    async (home) => {
      await expect(prepareSoftwareVulkan(home)).rejects.toMatchObject({
        code: "TRITC_E_CACHE_UNWRITABLE",
        message: expect.stringContaining("TRITC_HOME"),
      });
    },
  );
});

describe("readTar", () => {
  const entry = (size: string): Uint8Array => {
    const archive = new Uint8Array(1536);
    archive.set(new TextEncoder().encode("a.txt"), 0);
    archive.set(new TextEncoder().encode(size), 124);
    archive.set(new TextEncoder().encode("hello"), 512);
    return archive;
  };

  it("reads the files", () => {
    const files = readTar(entry("00000000005"), "a.tar");
    expect([...files].map(([name, data]) => [name, new TextDecoder().decode(data)])).toEqual([
      ["a.txt", "hello"],
    ]);
  });

  it.each(["00000077777", "-1", "12x"])("refuses the size %s", (size) => {
    expect(() => readTar(entry(size), "a.tar")).toThrow(/a\.tar: .*damaged/);
  });
});

describe("cacheDir", () => {
  it("prefers TRITC_HOME, then the platform's folder", () => {
    expect(cacheDir({ TRITC_HOME: "/h", XDG_CACHE_HOME: "/x" }, "linux")).toBe("/h");
    expect(cacheDir({ XDG_CACHE_HOME: "/x" }, "linux")).toBe(join("/x", "tritc"));
    expect(cacheDir({}, "darwin")).toContain("Caches");
    expect(cacheDir({ LOCALAPPDATA: "L" }, "win32")).toBe(join("L", "tritc"));
  });
});

describe("hasVulkanDriver", () => {
  it("sees drivers named by the environment and manifests in the data folders", async () => {
    expect(await hasVulkanDriver({ VK_ICD_FILENAMES: "/x.json" })).toBe(true);
    const data = await mkdtemp(join(tmpdir(), "tritc-data-"));
    try {
      const folder = join(data, "vulkan", "icd.d");
      expect(driverFolders({ XDG_DATA_HOME: data })).toContain(folder);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, "gpu_icd.json"), "{}");
      expect(await hasVulkanDriver({ XDG_DATA_HOME: data })).toBe(true);
    } finally {
      await rm(data, { recursive: true, force: true });
    }
  });
});
