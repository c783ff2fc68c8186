import { oneOf, optional } from "./definition.js";

/**
 * What a device holds a constant matrix in, narrower than f32: values of bf16, or codes with a scale for each 32 of a row.
 * The constant says what values these are: it is `blocks` of the form that belongs to the codes, or of bf16 behind a cast.
 */
export const HELD = ["bf16", "int8", "int4"] as const;
export type Held = (typeof HELD)[number];

/** The attribute; f32 if absent. */
export const held = optional(oneOf(...HELD));

/** The blocks that hold codes. */
export const HELD_BLOCKS = { int8: "Q8_0", int4: "Q4_0" } as const;
