/** Files that a text encoder or a VAE names for its tensors lie in its folder, or ONNX Runtime never sees the model. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openOrtSession } from "../../runtime/node/ort-session.js";
import { externalTensor, graph, model, node, rawBytes, tensor, value } from "../support/onnx-builder.js";

const root = mkdtempSync(join(tmpdir(), "tritc-external-"));
afterAll(() => rmSync(root, { recursive: true }));
const BYTES = rawBytes("f32", [1, 2, 3, 4]);
const outside = join(root, "outside.bin");
writeFileSync(outside, BYTES);

const input = value("x", "f32", [4]);
const output = value("y", "f32", [4]);

/** y = x + w, with w in the file at `location`: as an initializer, a constant, or in a branch. */
const FORMS = {
  initializer: (w: ReturnType<typeof tensor>) =>
    model({ inputs: [input], outputs: [output], initializers: [w], nodes: [node("Add", ["x", "w"], ["y"])] }),
  constant: (w: ReturnType<typeof tensor>) =>
    model({
      inputs: [input],
      outputs: [output],
      nodes: [node("Constant", [], ["w"], { value: { t: w } }), node("Add", ["x", "w"], ["y"])],
    }),
  branch: (w: ReturnType<typeof tensor>) => {
    const branch = graph({
      outputs: [value("b", "f32", [4])],
      initializers: [w],
      nodes: [node("Add", ["x", "w"], ["b"])],
    });
    return model({
      inputs: [input],
      outputs: [output],
      initializers: [tensor("c", "bool", [], [1])],
      nodes: [node("If", ["c"], ["y"], { then_branch: { g: branch }, else_branch: { g: branch } })],
    });
  },
} as const;
type Form = keyof typeof FORMS;

/** A model in a folder of its own whose weight is at `location`. */
function write(location: string, form: Form = "initializer"): string {
  const folder = mkdtempSync(join(root, "m-"));
  const w = externalTensor("w", "f32", [4], { location, offset: "0", length: "16" });
  writeFileSync(join(folder, "model.onnx"), FORMS[form](w));
  return folder;
}

async function result(file: string): Promise<readonly number[]> {
  const session = await openOrtSession(file, { threads: 1 });
  const outputs = await session.run({ x: { data: new Float32Array(4), shape: [4] } });
  await session.close();
  return [...(outputs.get("y")?.data ?? [])];
}

describe("external data", () => {
  it.each(["model.onnx_data", "./model.onnx_data", "below/w.bin"])("is read from %s", async (location) => {
    const folder = write(location);
    mkdirSync(join(folder, "below"));
    writeFileSync(join(folder, location), BYTES);
    expect(await result(join(folder, "model.onnx"))).toEqual([1, 2, 3, 4]);
  });

  it("is read through links as Hugging Face's cache has them: model and data lead to one folder", async () => {
    const [blobs, snapshot] = [write("w.bin"), mkdtempSync(join(root, "s-"))];
    writeFileSync(join(blobs, "w.bin"), BYTES);
    for (const name of ["model.onnx", "w.bin"]) symlinkSync(join(blobs, name), join(snapshot, name));
    expect(await result(join(snapshot, "model.onnx"))).toEqual([1, 2, 3, 4]);
  });

  it.each([
    ["an absolute path", () => outside, "is an absolute path"],
    ["a path upwards", () => "../outside.bin", 'leads out of the folder through ".."'],
    ["a path down and upwards", () => "below/../../outside.bin", 'leads out of the folder through ".."'],
    ["a path of Windows", () => "C:\\outside.bin", "is an absolute path"],
    ["a link", () => "link.bin", "is a link that leads out of the folder"],
    ["a link of a folder", () => "linked/outside.bin", "is a link that leads out of the folder"],
    ["a folder", () => "below", "is not a file"],
    ["nothing", () => "none.bin", "does not exist"],
    ["memory", () => "*/_ORT_MEM_ADDR_/*", "does not exist"],
    ["no name", () => "", "is not a file name"],
  ])("is refused at %s", async (_, location, message) => {
    const at = location();
    for (const form of ["initializer", "constant", "branch"] as const) {
      const folder = write(at, form);
      mkdirSync(join(folder, "below"));
      symlinkSync(outside, join(folder, "link.bin"));
      symlinkSync(root, join(folder, "linked"));
      await expect(openOrtSession(join(folder, "model.onnx"))).rejects.toMatchObject({
        code: "TRITC_E_ONNX_EXTERNAL_DATA",
        message: expect.stringContaining(message),
      });
    }
  });
});
