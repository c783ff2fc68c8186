import { substituteDim } from "../ir/dim.js";
import { TritcError } from "../ir/errors.js";
import { type Graph, typeOf, type ValueId } from "../ir/graph/graph.js";
import { familyOf, IMG_TOKENS, type InputRole, REF_TOKENS, TXT_TOKENS } from "../ir/models/index.js";
import { UniqueNames } from "../ir/unique-names.js";
import type { PipelineConfig } from "./bundle/pipeline-config.js";

/**
 * A recognized model as its pipeline uses it: where that computes keys and values of references once, they are inputs of their
 * own, which `cache-references` reads. Throws TRITC_E_CONDITION for a model that was exported for fixed numbers of tokens.
 */
export function forPipeline(graph: Graph, pipeline: PipelineConfig | undefined): Graph {
  const { model } = graph;
  const className = pipeline?.className;
  if (model === undefined || className == null) return graph;
  const { references } = familyOf(model).sampling;
  return references?.cachedBy?.(className) === true ? withReferenceInputs(graph, pipeline?.folder) : graph;
}

/** The input of references' latents. */
export const REFERENCE_LATENTS = "reference_hidden_states";

/** Parts of references, those of the picture whose form they have, and names of their inputs. */
const PARTS = [
  ["reference-latents", "latents", REFERENCE_LATENTS],
  ["reference-ids", "img-ids", "reference_ids"],
] as const satisfies readonly (readonly [InputRole, InputRole, string])[];

/** The model with inputs for references; as it is where its family lets none be by themselves. Throws TRITC_E_CONDITION. */
export function withReferenceInputs(graph: Graph, place?: string): Graph {
  const { model } = graph;
  if (model === undefined || familyOf(model).inputs["reference-latents"] === undefined) return graph;
  requireFreeTokens(graph, place);
  const names = new UniqueNames(graph.types.keys());
  const types = new Map(graph.types);
  const roles: Record<ValueId, InputRole> = { ...model.roles };
  const added = PARTS.flatMap(([role, alike, name]) => {
    const own = graph.inputs.find((id) => model.roles[id] === alike);
    if (own === undefined) return [];
    const { dtype, shape } = typeOf(graph, own);
    const input = names.claim(name);
    const tokens = shape?.map((dim) => substituteDim(dim, { [IMG_TOKENS]: REF_TOKENS })) ?? null;
    types.set(input, { dtype, shape: tokens });
    roles[input] = role;
    return [input];
  });
  return { ...graph, types, inputs: [...graph.inputs, ...added], model: { ...model, roles } };
}

function requireFreeTokens(graph: Graph, place: string | undefined): void {
  const wanted: readonly (readonly [InputRole, unknown])[] = [
    ["latents", IMG_TOKENS],
    ["context", TXT_TOKENS],
  ];
  for (const [role, symbol] of wanted) {
    const input = graph.inputs.find((id) => graph.model?.roles[id] === role);
    const tokens = input === undefined ? undefined : typeOf(graph, input).shape?.at(-2);
    if (input === undefined || tokens === symbol) continue;
    throw new TritcError({
      code: "TRITC_E_CONDITION",
      message:
        "the pipeline computes references by themselves, and the model was exported for one number of tokens",
      ...(place === undefined ? {} : { place }),
      expected: `any number of tokens in ${input}`,
      found: String(tokens),
      remedy: "export the model with dynamic axes, or compile the Diffusers folder",
    });
  }
}
