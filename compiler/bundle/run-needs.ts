import type { Graph } from "../../ir/graph/graph.js";
import type { Sampling } from "../../ir/sampling/sampling.js";

const VAE_ENCODER = "vae_encoder/model.onnx";

/** Remarks on what `tritc run` needs for a model besides a prompt; `lacksEncoder`: the bundle's pipeline cannot encode pictures. */
export function runNeeds(
  { inputs, model }: Graph,
  { condition }: Sampling,
  lacksEncoder: boolean,
): readonly string[] {
  const foreign = inputs.filter((id) => !Object.hasOwn(model?.roles ?? {}, id));
  if (foreign.length > 0) {
    return [
      `\`tritc run\` cannot draw with this model, it has no values for ${foreign.join(", ")}: tritc eval takes them`,
    ];
  }
  if (condition === "none" || condition === "reference") return [];
  if (condition === null) {
    return ["`tritc run` cannot draw with this model: the channels of its latents fit no known kind of FLUX"];
  }
  const needs = {
    fill: "the model fills in a picture: `tritc run` takes it with --image, and where to fill with --mask",
    control: "the model follows a control picture: `tritc run` takes it with --control",
  }[condition];
  if (!lacksEncoder) return [needs];
  const remedy = `\`tritc run\` cannot draw before it has one: export it, and compile again or run with --pipeline`;
  return [needs, `the pipeline has no ${VAE_ENCODER} to encode pictures with: ${remedy}`];
}
