import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyBundle, replaceText } from "../../support/bundle-surgery.js";
import type { CliCase, Fixture } from "./case.js";

/** `compile` to a path where something is that must stay. */
function occupied(name: string, found: RegExp, occupy: (out: string, fixture: Fixture) => void): CliCase {
  return {
    name: `compile to ${name}`,
    exit: 2,
    code: "TRITC_E_OUT_EXISTS",
    message: new RegExp(`out: the output path exists[\\s\\S]*found: {4}${found.source}[\\s\\S]*try: .*--out`),
    setup(folder, fixture) {
      const out = join(folder, "out");
      occupy(out, fixture);
      return ["compile", fixture.model, "--target", "cpu", "--ternarize", "none", "-o", out];
    },
  };
}

function below(name: string, path: readonly string[]): CliCase {
  return {
    name: `compile to a path below a file${name}`,
    exit: 2,
    code: "TRITC_E_OUT",
    message: /lies below a file[\s\S]*file\.txt is a file/,
    setup(folder, { model }) {
      writeFileSync(join(folder, "file.txt"), "mine");
      return ["compile", model, "--target", "cpu", "-o", join(folder, "file.txt", ...path)];
    },
  };
}

/** A file in a bundle, which would be no part of it. */
function inBundle(name: string, args: (bundle: string) => readonly string[], option: string): CliCase {
  return {
    name: `${name} inside a bundle`,
    exit: 2,
    code: "TRITC_E_OUT",
    message: new RegExp(
      `the output path lies inside a bundle[\\s\\S]*bundle is a bundle[\\s\\S]*for ${option}`,
    ),
    setup: (folder, { bundle }) => args(copyBundle(bundle, folder)),
  };
}

export const OUTPUT_CASES: readonly CliCase[] = [
  occupied("a file", /a file/, (out) => writeFileSync(out, "mine")),
  occupied("a folder with a file", /a folder with thesis\.txt in it/, (out) => {
    mkdirSync(out);
    writeFileSync(join(out, "thesis.txt"), "mine");
  }),
  occupied("a folder with a folder", /a folder with photos in it/, (out) =>
    mkdirSync(join(out, "photos"), { recursive: true }),
  ),
  occupied("a folder with some manifest.json", /a folder whose manifest\.json is no bundle's/, (out) => {
    mkdirSync(out);
    writeFileSync(join(out, "manifest.json"), '{"name":"tritc-bundle","files":[]}');
  }),
  occupied("a folder with a broken manifest", /a folder whose manifest\.json is no bundle's/, (out) => {
    mkdirSync(out);
    writeFileSync(join(out, "manifest.json"), '{"format":"tritc-bundle"');
  }),
  occupied("a bundle with a picture in it", /a bundle, and in it cat\.png/, (out, { generic }) => {
    const bundle = copyBundle(generic, join(out, ".."));
    symlinkSync(bundle, out);
    writeFileSync(join(bundle, "cat.png"), "mine");
  }),
  occupied("a bundle whose manifest forgets a file", /a bundle, and in it graph\.ir/, (out, { generic }) => {
    const bundle = copyBundle(generic, join(out, ".."));
    symlinkSync(bundle, out);
    replaceText(join(bundle, "manifest.json"), '"path": "graph.ir"', '"path": "graph.txt"');
  }),
  below("", ["bundle"]),
  below(", deeper", ["a", "b", "bundle"]),
  inBundle("a picture", (bundle) => ["run", bundle, "--prompt", "p", "-o", join(bundle, "p.png")], "--out"),
  inBundle(
    "pictures, in a folder of their own",
    (bundle) => ["run", bundle, "--prompt", "p", "--count", "2", "-o", join(bundle, "pictures")],
    "--out",
  ),
  inBundle(
    "records of the tuner",
    (bundle) => ["tune", bundle, "--export", join(bundle, "records.jsonl")],
    "--export",
  ),
  {
    name: "tune what lies in a bundle",
    exit: 2,
    code: "TRITC_E_TUNING",
    message: /kernels: this lies in a bundle[\s\S]*bundle is a bundle[\s\S]*--network/,
    setup: (folder, { bundle }) => ["tune", join(copyBundle(bundle, folder), "kernels")],
  },
  {
    name: "tune a bundle with a picture in it",
    exit: 2,
    code: "TRITC_E_OUT_EXISTS",
    message: /cat\.png, which is not part of it[\s\S]*try: {6}move that out/,
    setup(folder, fixture) {
      const bundle = copyBundle(fixture.bundle, folder);
      writeFileSync(join(bundle, "cat.png"), "mine");
      return ["tune", bundle];
    },
  },
  {
    name: "compile with a pipeline that is none",
    exit: 2,
    code: "TRITC_E_PIPELINE",
    message: /the folder holds no pipeline[\s\S]*model_index\.json/,
    setup: (folder, { model }) => [
      ...["compile", model, "--target", "cpu", "-o", join(folder, "out"), "--pipeline", folder],
    ],
  },
];
