import type { UpdateRule } from "../update-rule.js";
import { euler } from "./euler.js";
import { heun } from "./heun.js";

/** The samplers, the default one first. */
export const UPDATE_RULES = { euler, heun } as const satisfies Readonly<Record<string, UpdateRule>>;

export type SamplerName = keyof typeof UPDATE_RULES;
export const SAMPLERS = Object.keys(UPDATE_RULES) as readonly SamplerName[];
export const DEFAULT_SAMPLER: SamplerName = "euler";
