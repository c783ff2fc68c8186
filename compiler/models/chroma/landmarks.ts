import { namesOf, type StoredTensors } from "../../checkpoint/tensors.js";
import type { Landmarks, Spellings } from "../flux/landmarks.js";
import { FLUX1_SPELLINGS } from "../flux1/landmarks.js";
import { diffusersNames, originalNames } from "./modules.js";

const TIME = "distilled_guidance_layer.in_proj.weight";

function likeFlux1({ pooled: _, ...landmarks }: Landmarks, names: Landmarks["names"]): Landmarks {
  return { ...landmarks, names, time: TIME, timeLayers: "distilled_guidance_layer.layers" };
}

export const CHROMA_SPELLINGS: Spellings = {
  diffusers: likeFlux1(FLUX1_SPELLINGS.diffusers, diffusersNames),
  original: likeFlux1(FLUX1_SPELLINGS.original, originalNames),
  title: "Chroma",
};

/** Whether there is the network that makes the modulations, which no other family has. */
export function hasApproximator(tensors: StoredTensors): boolean {
  return [...namesOf(tensors)].some((name) => name === TIME || name.endsWith(`.${TIME}`));
}
