import { expect, it } from "vitest";
import { draw } from "../../compiler/compare/draw.js";
import type { ComparedModel } from "../../compiler/compare/models.js";
import { TritcError } from "../../ir/errors.js";

const absent = new TritcError({ code: "TRITC_E_CUDA_DRIVER", message: "no driver", remedy: "install it" });
const opened: string[] = [];

/** A model whose device is here, or not. */
function model(path: string, device: "here" | "absent"): ComparedModel {
  const own: Partial<ComparedModel> = {
    ...{ path, model: { family: "flux1" } as ComparedModel["model"] },
    requireDevice: () => (device === "here" ? Promise.resolve() : Promise.reject(absent)),
    open() {
      opened.push(path);
      return Promise.reject(new Error("it was opened"));
    },
  };
  return own as ComparedModel;
}

it("all devices are looked for before any model draws", async () => {
  const [reference, near, far] = [model("a", "here"), model("b", "here"), model("c", "absent")];
  const options = { reference: "a", others: ["b", "c"], prompts: ["p"] };
  await expect(draw(reference, [near, far], { folder: "none" }, options)).rejects.toBe(absent);
  expect(opened).toEqual([]);
  // A pipeline that is not there is what comes next.
  await expect(draw(reference, [near], { folder: "none" }, options)).rejects.toThrow(/none/);
});
