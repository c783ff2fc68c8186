/** What a runner takes along of packages that users install themselves. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runnerPackages } from "../../compiler/deploy/packages.js";

const root = realpathSync(mkdtempSync(join(tmpdir(), "tritc-packages-")));
const install = (name: string, json: object) => {
  mkdirSync(join(root, "node_modules", name), { recursive: true });
  writeFileSync(join(root, "node_modules", name, "package.json"), JSON.stringify(json));
};
beforeAll(() => {
  const peerDependencies = { koffi: "3.x", "onnxruntime-node": "1.30.x" };
  writeFileSync(join(root, "package.json"), JSON.stringify({ dependencies: { a: "1" }, peerDependencies }));
  install("a", { dependencies: { b: "1" }, optionalDependencies: { c: "1" } });
  install("b", {});
});
afterAll(() => rmSync(root, { recursive: true }));

const names = (onnx: boolean, cuda: boolean) => runnerPackages(root, { onnx, cuda }).map(({ name }) => name);

it("refuses to pack what bundles need and nobody installed, with the command that installs it", () => {
  expect(names(false, false)).toEqual(["a", "b"]);
  expect(() => names(true, false)).toThrow(
    /onnxruntime-node is not installed[\s\S]*npm install --ignore-scripts onnxruntime-node@1\.30\.x/,
  );
  expect(() => names(false, true)).toThrow(
    /koffi is not installed[\s\S]*npm install --ignore-scripts koffi@3\.x/,
  );
});

it("takes along what is installed, ONNX Runtime only for text encoders and a VAE", () => {
  install("koffi", {});
  install("onnxruntime-node", { dependencies: { "onnxruntime-common": "1", installer: "1" } });
  install("onnxruntime-common", {});
  expect(names(false, true)).toEqual(["a", "b", "koffi"]);
  expect(names(true, false)).toEqual(["a", "b", "koffi", "onnxruntime-node", "onnxruntime-common"]);
});

it("follows links to packages, whose own dependencies lie beside what the links lead to", () => {
  const store = join(root, "store", "node_modules");
  for (const [name, json] of [
    ["linked", { dependencies: { beside: "1" } }],
    ["beside", {}],
  ] as const) {
    mkdirSync(join(store, name), { recursive: true });
    writeFileSync(join(store, name, "package.json"), JSON.stringify(json));
  }
  symlinkSync(join(store, "linked"), join(root, "node_modules", "linked"));
  install("a", { dependencies: { linked: "1" } });
  expect(names(false, false)).toEqual(["a", "linked", "beside", "koffi"]);
});
