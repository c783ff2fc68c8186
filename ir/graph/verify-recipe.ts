import { BLOCK_LAYOUTS } from "../constant/blocks/index.js";
import { type Constant, operandsOf } from "../constant/constant.js";

export interface RecipeProblem {
  readonly expected: string;
  readonly found: string;
}

/** Why the operands of a weight with an adapter, however deep in a recipe, do not fit each other. */
export function recipeProblem(constant: Constant): RecipeProblem | undefined {
  const recipes = new Set([constant]);
  // A set yields what is added to it on the way.
  for (const recipe of recipes) {
    const operands = operandsOf(recipe.source);
    const wanted = wantedShapes(recipe);
    if (wanted !== undefined) {
      const [expected, found] = [text(wanted), text(operands.map(({ shape }) => shape))];
      if (expected !== found) return { expected, found };
    }
    for (const operand of operands) recipes.add(operand);
  }
  return undefined;
}

function text(shapes: readonly (readonly number[])[]): string {
  return shapes.map((shape) => `[${shape.join(", ")}]`).join(", ");
}

/** Shapes of the operands, in their order, that give the shape of the whole; undefined for other recipes. */
function wantedShapes({ shape, source }: Constant): readonly (readonly number[])[] | undefined {
  const [rows = 0, columns = 0] = shape;
  switch (source.kind) {
    case "swap": {
      const [a = 0, c = 0, b = 0, d = 0] = shape;
      return [[a, b, c, d]];
    }
    case "blocks": {
      const { elements, bytes } = BLOCK_LAYOUTS[source.format];
      return [[...shape.slice(0, -1), ((shape.at(-1) ?? 0) / elements) * bytes]];
    }
    case "to-blocks": {
      const { elements, bytes } = BLOCK_LAYOUTS[source.format];
      return [[...shape.slice(0, -1), ((shape.at(-1) ?? 0) / bytes) * elements]];
    }
    case "affine": {
      const [, groups = 1] = source.scales.shape;
      return [
        [rows, (columns * source.bits) / 8],
        [rows, columns % groups === 0 ? groups : 0],
        [rows, groups],
      ];
    }
    case "low-rank": {
      const rank = source.down.shape[0] ?? 0;
      return [
        [rows, columns],
        [rows, rank],
        [rank, columns],
      ];
    }
    case "sum":
    case "product":
      return [shape, shape];
    case "kronecker": {
      const [c = 1, d = 1] = source.right.shape;
      return [
        [rows / c, columns / d],
        [c, d],
      ];
    }
    case "renormalize":
      return [[rows, columns], [source.axis === 0 ? rows : columns]];
    case "rotate": {
      const size = source.blocks.shape[1] ?? 1;
      return [
        [rows, columns],
        [columns / size, size, size],
      ];
    }
    default:
      return undefined;
  }
}
