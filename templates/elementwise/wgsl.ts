import { elementwise } from "../../ir/families/elementwise.js";
import { type ElementType, type Expression, typeOfExpression } from "../../ir/families/expression.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";
import { elementWork } from "./operations.js";
import { binaryWgsl, LIBRARY, type Library, unaryWgsl } from "./wgsl-functions.js";

export const elementwiseWgsl = kernelTemplates(elementwise.forms.wgsl, {
  configs: () => [{ variant: "strided", threads: 64, elements: 4 }],
  values: {
    strided({ rank, inputs, expression }, { threads, elements }) {
      const libraries = new Set<Library>();
      const value = wgslOf(expression, inputs, libraries);
      return {
        rank,
        inputs: inputs.map((_, i) => i),
        inputCount: inputs.length,
        value,
        trigonometry: libraries.has("cosSin"),
        functions: [...libraries].flatMap((name) => (name === "cosSin" ? [] : [LIBRARY[name]])).join("\n"),
        threads,
        elements,
      };
    },
  },
  cost: {
    strided: wgslStreams(elementwise, ({ expression, rank, inputs }) => ({
      ...elementWork(expression),
      // A quotient and a remainder for each axis, and an address for each operand.
      more: rank * (22 + 2 * (inputs.length + 1)),
    })),
  },
});

/** The expression over the variables v0, v1, … that hold the inputs' elements. */
function wgslOf(e: Expression, inputs: readonly ElementType[], libraries: Set<Library>): string {
  const need = (names: readonly Library[]): void => {
    for (const name of names) libraries.add(name);
  };
  switch (e.kind) {
    case "input":
      return `v${e.index}`;
    case "constant":
      if (!Number.isFinite(e.value)) need(["special"]);
      return constantWgsl(e.value, e.type);
    case "cast":
      return castWgsl(wgslOf(e.of, inputs, libraries), typeOfExpression(e.of, inputs), e.to);
    case "unary": {
      const fn = unaryWgsl(e.fn, typeOfExpression(e.of, inputs));
      need(fn.needs ?? []);
      return fn.apply(wgslOf(e.of, inputs, libraries));
    }
    case "binary": {
      const [left, right] = [wgslOf(e.left, inputs, libraries), wgslOf(e.right, inputs, libraries)];
      const { text, needs } = binaryWgsl(e.fn, typeOfExpression(e.left, inputs), left, right);
      need(needs);
      return text;
    }
    case "where": {
      const zero = typeOfExpression(e.condition, inputs) === "i32" ? "0i" : "0u";
      const [condition, whenTrue, whenFalse] = [e.condition, e.whenTrue, e.whenFalse].map((part) =>
        wgslOf(part, inputs, libraries),
      );
      return `select(${whenFalse}, ${whenTrue}, ${condition} != ${zero})`;
    }
  }
}

/** WGSL saturates at the largest f32 that the integer holds; past the integer's range it is the integer's largest. */
function castWgsl(value: string, from: ElementType, to: ElementType): string {
  if (from !== "f32" || to === "f32") return `${to}(${value})`;
  const [limit, largest] = to === "i32" ? ["2147483648.0", "2147483647i"] : ["4294967296.0", "4294967295u"];
  return `select(${to}(${value}), ${largest}, ${value} >= ${limit})`;
}

function constantWgsl(value: number, type: ElementType): string {
  if (type === "u32") return `${value >>> 0}u`;
  if (type === "i32") return `bitcast<i32>(${value >>> 0}u)`;
  const rounded = Math.fround(value);
  if (Number.isNaN(rounded)) return "notANumber()";
  if (!Number.isFinite(rounded)) return rounded > 0 ? "infinity()" : "(-infinity())";
  return Object.is(rounded, -0) || rounded < 0 ? `(-${Math.abs(rounded)}f)` : `${rounded}f`;
}
