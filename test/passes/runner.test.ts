import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Pass } from "../../compiler/pass.js";
import { canonicalize } from "../../compiler/passes/canonicalize.js";
import { runPasses } from "../../compiler/passes/run-passes.js";
import { TritcError } from "../../ir/errors.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { passContext } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-runner-"));
afterAll(() => rmSync(folder, { recursive: true }));

const graph = parseGraph(`graph "g" {
  input %x: f32[n, 4]
  %t: f32[n, 4] = transpose(%x) {"perm": [0, 1]}
  %y: f32[n, 4] = unary(%t) {"fn": "exp"}
  output %y
}`);
const nothing: Pass = { name: "nothing", summary: "changes nothing", run: (g) => g };
const crash: Pass = {
  name: "crash",
  summary: "fails",
  run() {
    throw new RangeError("out of ideas");
  },
};
const corrupt: Pass = {
  name: "corrupt",
  summary: "leaves a broken graph",
  run: (g) => ({ ...g, outputs: ["nowhere"] }),
};

function failure(passes: readonly Pass[], reproducers: string): TritcError {
  try {
    runPasses(graph, passes, passContext(), { reproducers });
  } catch (error) {
    if (error instanceof TritcError) return error;
  }
  throw new Error("the passes did not fail");
}

describe("the pass runner", () => {
  it("dumps the graph after each pass that changed it and reports times", () => {
    const dump = join(folder, "dump");
    const lines: string[] = [];
    const report = (line: string) => lines.push(line);
    const after = runPasses(graph, [nothing, canonicalize], passContext(), { dump, time: true, report });
    expect(readdirSync(dump)).toEqual(["01-canonicalize.txt"]);
    const text = readFileSync(join(dump, "01-canonicalize.txt"), "utf8");
    expect(text).toBe(`${printGraph(after)}\n`);
    expect(parseGraph(text)).toEqual(after);
    expect(lines.map((line) => line.trim().split(/ +/)[2])).toEqual(["nothing", "canonicalize"]);
  });

  it("leaves the graph and the remaining passes behind when a pass crashes", () => {
    const error = failure([nothing, crash, canonicalize], folder);
    expect(error.code).toBe("TRITC_E_PASS");
    expect(error.message).toContain("pass crash: the pass failed: out of ideas");
    const file = readdirSync(folder).find((name) => name.startsWith("tritc-reproducer-crash"));
    const text = readFileSync(join(folder, file ?? ""), "utf8");
    expect(text.split("\n")[0]).toBe("# passes: crash, canonicalize");
    expect(text).toContain(printGraph(graph));
  });

  it("finds a pass that breaks the graph", () => {
    const error = failure([corrupt, canonicalize], folder);
    expect(error.message).toContain("pass corrupt");
    expect(error.message).toContain("nowhere");
  });
});
