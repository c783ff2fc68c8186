import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { TritcError } from "../../ir/errors.js";
import {
  importOptional,
  installCommand,
  OPTIONAL_PACKAGES,
  type OptionalPackage,
} from "../../runtime/node/optional-package.js";

const names = Object.keys(OPTIONAL_PACKAGES) as OptionalPackage[];

it("names the ranges that package.json has, all of them optional", () => {
  const json = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as {
    readonly peerDependencies: unknown;
    readonly peerDependenciesMeta: unknown;
  };
  expect(json.peerDependencies).toEqual(
    Object.fromEntries(names.map((name) => [name, OPTIONAL_PACKAGES[name].range])),
  );
  expect(json.peerDependenciesMeta).toEqual(
    Object.fromEntries(names.map((name) => [name, { optional: true }])),
  );
});

const failure = (name: OptionalPackage, message: string) =>
  importOptional(name, () => Promise.reject(new Error(message))).then(
    () => expect.unreachable(),
    (error: unknown) => (error instanceof TritcError ? error.details : expect.unreachable()),
  );

it.each(names)("says what installs %s", async (name) => {
  expect(await failure(name, `Cannot find package '${name}' imported from /app/index.js`)).toMatchObject({
    code: "TRITC_E_PACKAGE",
    message: expect.stringMatching(new RegExp(`^the package ${name}, which .+, is not installed$`)),
    remedy: installCommand(name),
  });
  expect(installCommand(name)).toBe(`npm install --ignore-scripts ${name}@${OPTIONAL_PACKAGES[name].range}`);
});

it("gives the reason where an installed package does not load, a package of its own that is missing too", async () => {
  for (const message of ["libstdc++.so.6: no such file", "Cannot find package 'onnxruntime-common'"]) {
    expect(await failure("onnxruntime-node", message)).toMatchObject({
      message: expect.stringContaining("cannot be loaded"),
      found: message,
    });
  }
});
