import { TritcError } from "../ir/errors.js";
import type { FloatStorage } from "../ir/families/contract/params.js";
import { nearest } from "../ir/nearest.js";
import { cpu } from "./cpu/index.js";
import { CUDA_TARGETS } from "./cuda/index.js";
import type { Activations, AttentionProducts, NetworkProducts, Target } from "./target.js";
import { webgpu } from "./webgpu/index.js";

export * from "./cuda/architectures.js";
export type { Gpu } from "./cuda/gpus.js";
export * from "./cuda/index.js";
export type {
  Activations,
  AttentionProducts,
  CudaTarget,
  NetworkProducts,
  Target,
  TargetLimits,
} from "./target.js";
export { cpu, webgpu };

/** Every target, the default first. */
export const TARGETS: readonly Target[] = [cpu, webgpu, ...CUDA_TARGETS];

/** The target that a program names. */
export function findTarget(name: string): Target | undefined {
  return TARGETS.find((target) => target.name === name);
}

/** The target of a name or alias. Throws `TRITC_E_TARGET` (wrong usage) naming those that exist. */
export function targetByName(name: string): Target {
  const target = TARGETS.find((t) => t.name === name || t.aliases?.includes(name));
  if (target === undefined) {
    const meant = nearest(
      name,
      TARGETS.flatMap((t) => [t.name, ...(t.aliases ?? [])]),
    );
    throw new TritcError({
      code: "TRITC_E_TARGET",
      message: "there is no such target",
      place: "--target",
      expected: TARGETS.map((t) => t.name).join(", "),
      found: name,
      remedy: `${meant === undefined ? "" : `did you mean ${meant}? `}run \`tritc targets\` for what each one is`,
      exitCode: 2,
    });
  }
  return target;
}

/** Throws `TRITC_E_ACTIVATIONS` (wrong usage) where the target has no kernels for these activations. */
export function checkActivations(target: Target, activations: Activations): void {
  if (target.activations.includes(activations)) return;
  throw new TritcError({
    code: "TRITC_E_ACTIVATIONS",
    message: `the ${target.name} target has no kernels for these activations`,
    place: "--activations",
    expected: target.activations.join(", "),
    found: activations,
    remedy: `compile with --activations ${target.activations[0]}, or see \`tritc targets\` for what others take`,
    exitCode: 2,
  });
}

/** What rows between two kernels of a transformer are stored in on a target. */
export function activationStorage(target: Target, activations: Activations): FloatStorage {
  return activations === "f32" ? "f32" : target.activationStorage;
}

/** What attention can be asked to multiply: bf16 is what it does unasked, on rows that are. */
export function attentionProducts(target: Target, activations: Activations): readonly AttentionProducts[] {
  return ["bf16", ...(activationStorage(target, activations) === "bf16" ? target.attentionProducts : [])];
}

/** Throws `TRITC_E_ACTIVATIONS` (wrong usage) where attention's products cannot be chosen: all but CUDA use f32. */
export function checkAttention(target: Target, activations: Activations, products: AttentionProducts): void {
  if (attentionProducts(target, activations).includes(products)) return;
  throw new TritcError({
    code: "TRITC_E_ACTIVATIONS",
    message: "only CUDA kernels with bf16 storage have attention of int8 products",
    place: "--attention",
    expected: "a CUDA target, and --activations int8 or bf16",
    found: `--target ${target.name} --activations ${activations}`,
    remedy: "leave --attention out",
    exitCode: 2,
  });
}

/** Throws `TRITC_E_ACTIVATIONS` (wrong usage) where text encoders and VAE cannot multiply this. */
export function checkNetworkProducts(target: Target, products: NetworkProducts): void {
  if (target.networkProducts.includes(products)) return;
  throw new TritcError({
    code: "TRITC_E_ACTIVATIONS",
    message: `the target ${target.name} has no kernels that multiply ${products}`,
    place: "--network-products",
    expected: target.networkProducts.join(", "),
    found: products,
    remedy: "leave --network-products out",
    exitCode: 2,
  });
}
