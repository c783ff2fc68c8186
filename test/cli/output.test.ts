/** What goes to standard output and what to standard error, in which form, and that names cannot drive a terminal. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Terminal, table } from "../../compiler/cli/terminal.js";
import { cli } from "../support/cli.js";
import { documentedKeys } from "../support/cli-docs.js";
import { snapshot } from "../support/tree.js";
import type { Fixture } from "./cases/case.js";
import { USAGE_CASES } from "./cases/usage.js";
import { makeFixture } from "./fixture.js";

const root = mkdtempSync(join(tmpdir(), "tritc-output-"));
let fixture: Fixture;
beforeAll(async () => {
  fixture = await makeFixture(join(root, "fixture"));
}, 120_000);
afterAll(() => rmSync(root, { recursive: true }), 60_000);

describe("--json", () => {
  const KEYS = ["code", "message", "place", "expected", "found", "remedy"];

  it.each(USAGE_CASES)("$name, as JSON", async ({ exit, code, setup }) => {
    const folder = mkdtempSync(join(root, "case-"));
    const argv = setup(folder, fixture);
    const before = snapshot(folder);
    const result = await cli([...argv, "--json"]);
    const { error } = JSON.parse(result.stdout) as { error: Record<string, string | null> };
    expect(Object.keys(error)).toEqual(KEYS);
    expect(error.code).toBe(code);
    expect(error.remedy).toMatch(/\S/);
    expect(result.stderr).toBe("");
    expect(result.code).toBe(exit);
    expect(snapshot(folder)).toEqual(before);
  });

  it("prints the work's errors too", async () => {
    const { code, stdout, stderr } = await cli(["inspect", join(root, "none.onnx"), "--json"]);
    expect([code, stderr]).toEqual([1, ""]);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: "TRITC_E_MODEL_NOT_FOUND", place: join(root, "none.onnx"), found: null },
    });
  });

  it("is no option after --, and none of a value's", async () => {
    for (const argv of [
      ["inspect", "--", "--json"],
      ["inspect", "a", "--", "--json"],
    ]) {
      const { code, stdout, stderr } = await cli(argv);
      expect(code).toBeGreaterThan(0);
      expect(stdout).toBe("");
      expect(stderr).toMatch(/^tritc: /);
    }
  });

  it("prints what docs/cli.md says it does", async () => {
    const [model, bundle] = [fixture.model, fixture.bundle];
    const out = (name: string) => ["-o", join(root, `json-${name}`)];
    const documents = [
      ["inspect", model, "--target", "cpu"],
      ["compile", model, "--target", "cpu", "--ternarize", "none", ...out("bundle")],
      ["eval", model, "--inputs", fixture.inputs, ...out("out.safetensors")],
      ["verify", bundle],
      ["report", bundle, ...out("report.html")],
      ["targets"],
      ["export-onnx", model, "--ternarize", "none", ...out("model.onnx")],
      ["sample-model", ...out("sample")],
    ];
    for (const [command = "", ...argv] of documents) {
      const { code, stdout, stderr } = await cli([command, ...argv, "--json"]);
      expect([code, stderr], command).toEqual([0, ""]);
      const said = documentedKeys(command);
      for (const key of new Set([JSON.parse(stdout)].flat().flatMap((item: object) => Object.keys(item)))) {
        expect(said, `${command} --json`).toContain(key);
        expect(key).not.toBe("error");
      }
    }
  });

  it("says nothing is wrong with a key of that name", async () => {
    const { stdout } = await cli(["verify", fixture.generic, "--json"]);
    expect(JSON.parse(stdout)).toEqual({
      files: expect.any(Number),
      kernels: {
        ...{ difference: expect.any(Number), tolerance: 1e-3, device: expect.any(String) },
        ...{ tuned: false, tried: 1 },
      },
      model: null,
      networks: [],
      samplers: null,
    });
    const against = await cli(["verify", fixture.generic, "--json", "--against", fixture.model]);
    expect(JSON.parse(against.stdout)).toMatchObject({
      model: { path: fixture.model, difference: expect.any(Number) },
    });
  });
});

describe("--progress json", () => {
  it("writes events to standard error, one a line, that end at the total", async () => {
    const out = join(root, "events");
    const argv = [
      "compile",
      fixture.model,
      "--target",
      "cpu",
      "--ternarize",
      "none",
      "-o",
      out,
      "--progress",
      "json",
    ];
    const { code, stdout, stderr } = await cli(argv);
    expect(code).toBe(0);
    expect(stdout).toContain(out);
    const events = stderr
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const phase of ["kernels", "weights"]) {
      const of = events.filter((event) => event.phase === phase);
      expect(of.length).toBeGreaterThan(0);
      for (const event of of) {
        expect(event).toMatchObject({ event: "progress", unit: phase === "weights" ? "bytes" : "kernels" });
      }
      expect(of.at(-1)?.done).toBe(of.at(-1)?.total);
      const done = of.map((event) => Number(event.done));
      expect(done).toEqual([...done].sort((a, b) => a - b));
    }
  });

  it("writes errors and remarks as events too", async () => {
    const { code, stdout, stderr } = await cli(["inspect", join(root, "none"), "--progress=json"]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(JSON.parse(stderr)).toMatchObject({ event: "error", error: { code: "TRITC_E_MODEL_NOT_FOUND" } });
    const notes = await cli([
      "eval",
      fixture.model,
      "--inputs",
      fixture.inputs,
      "-o",
      "-",
      "--progress",
      "json",
    ]);
    expect(JSON.parse(notes.stderr)).toMatchObject({ event: "note" });
  });

  it("cannot be asked for quietly", async () => {
    const { code, stderr } = await cli(["targets", "--quiet", "--progress", "json"]);
    expect(code).toBe(2);
    expect(stderr).toContain("cannot be used with option '--quiet'");
  });
});

describe("--quiet", () => {
  it("says nothing about files that were written", async () => {
    const file = join(root, "quiet");
    for (const argv of [
      ["compile", fixture.model, "--target", "cpu", "--ternarize", "none", "-o", join(root, "quiet-bundle")],
      ["eval", fixture.model, "--inputs", fixture.inputs, "-o", `${file}.safetensors`],
      ["report", fixture.generic, "-o", `${file}.html`],
      ["export-onnx", fixture.model, "--ternarize", "none", "-o", `${file}.onnx`],
      ["verify", fixture.generic],
    ]) {
      expect(await cli([...argv, "--quiet"])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    }
  });

  it("keeps answers and errors", async () => {
    const answer = await cli(["inspect", fixture.model, "--quiet"]);
    expect(answer.stdout).toContain("parameters");
    const failed = await cli(["inspect", join(root, "none"), "--quiet"]);
    expect(failed.stderr).toContain("TRITC_E_MODEL_NOT_FOUND");
  });
});

describe("standard input and output", () => {
  it("a report goes to standard output as it would to a file", async () => {
    const file = join(root, "report.html");
    expect((await cli(["report", fixture.bundle, "-o", file])).code).toBe(0);
    const { code, stdout, stderr } = await cli(["report", fixture.bundle, "-o", "-"]);
    expect(code).toBe(0);
    expect(stdout).toBe(readFileSync(file, "utf8"));
    expect(stderr).toMatch(/^-: .* kB\n$/);
  });

  it("a file goes neither to a terminal nor beside a JSON document", async () => {
    const terminal = await cli(["report", fixture.bundle, "-o", "-"], { isTTY: true });
    expect(terminal).toMatchObject({ code: 2, stdout: "" });
    expect(terminal.stderr).toContain("written to the terminal");
    const both = await cli(["report", fixture.bundle, "-o", "-", "--json"]);
    expect(both.code).toBe(2);
    expect(JSON.parse(both.stdout)).toMatchObject({ error: { code: "TRITC_E_USAGE", place: "--out -" } });
  });

  it.each([
    ["no text", new Uint8Array(), /standard input: there is no prompt/, 2],
    ["spaces", Buffer.from(" \n\n"), /standard input: there is no prompt/, 2],
    ["no UTF-8", Uint8Array.of(0x61, 0xff), /not the text of prompts[\s\S]*expected: UTF-8/, 1],
    ["no end", Buffer.alloc((1 << 20) + 1, "a"), /expected: at most 1048576 bytes/, 1],
  ])("a prompt of %s is refused", async (_, stdin, message, exit) => {
    const { code, stderr } = await cli(["run", fixture.bundle, "--prompt", "-", "-o", "p.png"], { stdin });
    expect(stderr).toMatch(message);
    expect(code).toBe(exit);
  });

  it("nobody is waited for with --no-input", async () => {
    const argv = ["run", fixture.bundle, "--prompt", "-", "-o", "p.png", "--no-input"];
    const { code, stderr } = await cli(argv, { isTTY: true });
    expect(code).toBe(2);
    expect(stderr).toContain("--no-input says not to wait");
  });

  it("tensors end where their header says", async () => {
    const stdin = Buffer.concat([readFileSync(fixture.inputs), Buffer.alloc(100)]);
    const argv = ["eval", fixture.model, "--inputs", "-", "-o", "-"];
    const { code, stderr } = await cli(argv, { stdin });
    expect(code).toBe(1);
    expect(stderr).toContain("TRITC_E_SAFETENSORS");
    // What follows forever is not read.
    const endless = await cli(argv, { stdin: endlessly(readFileSync(fixture.inputs)) });
    expect(endless).toMatchObject({ code: 1, stdout: "" });
  });
});

async function* endlessly(start: Uint8Array): AsyncGenerator<Uint8Array> {
  yield start;
  for (let i = 0; i < 1000; i++) yield new Uint8Array(1 << 16);
  throw new Error("too much was read");
}

describe("names from files", () => {
  const HOSTILE = "a\x1b[31mb\u009b1mc\u202ed\u{e0001}\r\n\tforged";
  const written = (use: (terminal: Terminal) => void, options = {}): string => {
    let text = "";
    const sink = {
      write: (data: string | Uint8Array) => {
        text += String(data);
      },
    };
    use(new Terminal({ ...options, io: { stdout: sink, stderr: sink } }));
    return text;
  };

  it.each([
    ["a cell", (terminal: Terminal) => terminal.result({}, table([["name", HOSTILE, "end"]]))],
    ["a remark", (terminal: Terminal) => terminal.note(HOSTILE)],
    ["a result", (terminal: Terminal) => terminal.summary({}, HOSTILE)],
  ])("are escaped in %s", (_, use) => {
    const text = written(use);
    expect(text).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u);
    expect(text).toContain("a\\u{1b}[31mb\\u{9b}1mc\\u{202e}d\\u{e0001}");
  });

  it("stay within their cell's line", () => {
    expect(
      table([
        ["a", HOSTILE],
        ["b", "c"],
      ]).split("\n"),
    ).toHaveLength(2);
  });

  it.each([
    ["a document", { json: true }, (terminal: Terminal) => terminal.result(HOSTILE, "")],
    [
      "an event",
      { progress: "json" as const },
      (terminal: Terminal) => terminal.progress(HOSTILE, "steps").update(1, 1),
    ],
  ])("are escaped in %s, and read back as they are", (_, options, use) => {
    const text = written(use, options);
    expect(text).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u);
    const value: unknown = JSON.parse(text);
    expect(JSON.stringify(value)).toContain(JSON.stringify(HOSTILE).slice(1, -1));
  });
});
