import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compileCuda } from "../../compiler/codegen/nvcc/compile.js";
import { builds, findToolkit, parseVersion } from "../../compiler/codegen/nvcc/toolkit.js";
import { ARCHITECTURES, type Architecture, cudaPortable, targetByName } from "../../targets/index.js";
import { defineKernel } from "../../templates/index.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-toolkit-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A program in `<folder>/<home>/bin` that calls itself nvcc of a release. */
function fakeNvcc(home: string, version: string): string {
  const bin = join(folder, home, "bin");
  mkdirSync(bin, { recursive: true });
  const path = join(bin, "nvcc");
  const release = version.split(".").slice(0, 2).join(".");
  writeFileSync(path, `#!/bin/sh\necho 'Cuda compilation tools, release ${release}, V${version}'\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Copies its source behind a line that names the architecture. */
const CLANG = `[ "$1" = --version ] && echo 'Debian clang version VERSION (3)' && exit
for word; do
  case $word in --cuda-gpu-arch=*) arch=\${word#*=};; *.cu) in=$word;; esac
  [ "$last" = -o ] && out=$word
  last=$word
done
{ echo "// for $arch"; cat "$in"; } > "$out"
`;

const portable = cudaPortable.cuda?.architectures ?? [];
const nowhere = { PATH: "" };
const empty = join(folder, "empty");

describe("findToolkit", () => {
  it("takes TRITC_NVCC and nothing else where it is set", async () => {
    const nvcc = fakeNvcc("mine", "12.8.61");
    fakeNvcc("usr/cuda", "13.0.88");
    const search = { env: { TRITC_NVCC: nvcc, PATH: "" }, installed: join(folder, "usr") };
    expect(await findToolkit(portable, "here", search)).toEqual({
      nvcc,
      version: "12.8.61",
      release: "12.8",
    });
    const gone = { ...search, env: { TRITC_NVCC: join(folder, "gone") } };
    await expect(findToolkit(portable, "here", gone)).rejects.toThrow(/gone, which does not run/);
  });

  it("prefers CUDA_HOME to PATH to the installed ones", async () => {
    const installed = join(folder, "order");
    const inPlace = fakeNvcc("order/cuda", "13.0.1");
    const onPath = fakeNvcc("path", "13.0.2");
    const home = fakeNvcc("home", "13.0.3");
    const env = { CUDA_HOME: join(folder, "home"), PATH: join(folder, "path", "bin") };
    expect((await findToolkit(portable, "here", { env, installed })).nvcc).toBe(home);
    expect((await findToolkit(portable, "here", { env: { PATH: env.PATH }, installed })).nvcc).toBe(onPath);
    expect((await findToolkit(portable, "here", { env: nowhere, installed })).nvcc).toBe(inPlace);
  });

  it("passes over toolkits that have dropped the architecture, newest first", async () => {
    const installed = join(folder, "volta");
    fakeNvcc("volta/cuda", "13.0.88");
    fakeNvcc("volta/cuda-13.0", "13.0.88");
    fakeNvcc("volta/cuda-12.4", "12.4.1");
    const newest = fakeNvcc("volta/cuda-12.9", "12.9.41");
    const found = await findToolkit(["sm_70"], "target v100", { env: nowhere, installed });
    expect(found).toEqual({ nvcc: newest, version: "12.9.41", release: "12.9" });
  });

  it("says which toolkits it found and which it needs where none fits", async () => {
    const installed = join(folder, "new");
    const nvcc = fakeNvcc("new/cuda", "13.0.88");
    const find = findToolkit(targetByName("v100").cuda?.architectures ?? [], "target v100", {
      env: nowhere,
      installed,
    });
    await expect(find).rejects.toMatchObject({
      code: "TRITC_E_TOOLKIT",
      details: {
        place: "target v100",
        expected: "CUDA 11.7 to 12.9",
        found: `CUDA 13.0.88 (${nvcc})`,
        remedy: expect.stringMatching(/CUDA 11\.7 to 12\.9 .*TRITC_NVCC.*--emit source/),
      },
    });
  });

  it("takes clang with a newer toolkit's headers where every nvcc has dropped the architecture", async () => {
    const installed = join(folder, "clang");
    const nvcc = fakeNvcc("clang/cuda", "13.0.88");
    const env = { PATH: join(folder, "clang", "programs"), CUDA_HOME: join(installed, "cuda") };
    const find = () => findToolkit(["sm_70"], "target v100", { env, installed });
    const clang = join(env.PATH, "clang++-19");
    const says = (version: string) => {
      mkdirSync(env.PATH, { recursive: true });
      writeFileSync(clang, `#!/bin/sh\n${CLANG.replace("VERSION", version)}`);
      chmodSync(clang, 0o755);
    };
    says("19.1.7");
    await expect(find(), "no headers").rejects.toMatchObject({ code: "TRITC_E_TOOLKIT" });
    for (const file of ["include/cuda_runtime.h", "nvvm/libdevice/libdevice.10.bc"]) {
      mkdirSync(dirname(join(installed, "cuda", file)), { recursive: true });
      writeFileSync(join(installed, "cuda", file), "");
    }
    const found = { path: clang, version: "19.1.7", cuda: join(installed, "cuda") };
    const toolkit = { nvcc, release: "13.0", version: "13.0.88 with clang 19.1.7", clang: found };
    expect(await find()).toEqual(toolkit);

    const definition = defineKernel("gather", { c: 64 }, targetByName("v100"));
    const source = { id: "gather", definition, source: "// text\n", ptx: false };
    const build = await compileCuda(source, { toolkit });
    expect(build).toMatchObject({ format: "ptx", resources: [] });
    expect(Buffer.from(build.binary).toString()).toBe("// for sm_70\n// text\n\0");

    says("14.0.6");
    await expect(find(), "an old clang").rejects.toMatchObject({ code: "TRITC_E_TOOLKIT" });
    const portableFind = findToolkit(["sm_70", "sm_75"], "both", { env, installed });
    await expect(portableFind).rejects.toMatchObject({ code: "TRITC_E_TOOLKIT" });
  });

  it("says what to install where there is none", async () => {
    const find = findToolkit(portable, "target h200", { env: nowhere, installed: empty });
    await expect(find).rejects.toMatchObject({
      code: "TRITC_E_NVCC",
      details: { remedy: expect.stringMatching(/CUDA toolkit.*C\+\+ compiler.*--emit source/) },
    });
  });
});

describe("toolkit versions", () => {
  it.each([
    ["11.8", "sm_89", true],
    ["11.7", "sm_89", false],
    ["11.8", "sm_90a", false],
    ["12.0", "sm_90a", true],
    ["12.9", "sm_70", true],
    ["13.0", "sm_70", false],
    ["11.6", "sm_80", false],
    ["12.10", "sm_100a", true],
    ["12.7", "sm_120a", false],
  ] as const)("%s and %s: %s", (release, architecture, works) => {
    expect(builds(release, architecture)).toBe(works);
  });

  it("are what nvcc says, or unknown", () => {
    const text = "nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 13.0, V13.0.88\n";
    expect(parseVersion(text)).toEqual({ release: "13.0", version: "13.0.88" });
    expect(parseVersion("gcc (Debian 12.2.0-14) 12.2.0")).toBeUndefined();
  });

  it("that this machine may have make every architecture of its range", () => {
    for (const architecture of Object.keys(ARCHITECTURES) as Architecture[]) {
      expect(builds("12.8", architecture)).toBe(true);
    }
  });
});
