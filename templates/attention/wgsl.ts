import { type AttentionParams, attentionSignature } from "../../ir/families/attention.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineWgsl, exactly } from "../wgsl/define.js";
import { HARDWARE } from "../wgsl/gemm-tile.js";

/** Channels of q, k and v in workgroup memory at a time: 8 invocations of 4. */
const CHUNK = 32;
const KEYS = 32;

/** Rows of one invocation: its block of output channels, headDim / 8 a row, has to fit its registers. */
function blockRows(headDim: number): number {
  if (headDim <= 128) return 4;
  return headDim <= 256 ? 2 : 1;
}

export function attentionWgsl(params: AttentionParams, target: Target): KernelDefinition {
  const { headDim, scale } = params;
  const vectors = exactly(headDim, 4, "channels of a head");
  const block = blockRows(headDim);
  const rows = block * 8;
  const pitch = CHUNK / 4 + 1;
  const chunks = Math.ceil(headDim / CHUNK);
  // Values take the place of queries and keys, which are no longer needed then: two chunks where they fit.
  const fits = KEYS * ((2 * CHUNK) / 4 + 1) <= (rows + KEYS) * pitch;
  const valueChunks = fits && chunks > 1 ? 2 : 1;
  const stages = Array.from({ length: Math.ceil(chunks / valueChunks) }, (_, i) => ({
    first: i * valueChunks,
    end: Math.min(chunks, (i + 1) * valueChunks),
  }));
  const shared = {
    family: "attention",
    params,
    signature: attentionSignature(params),
    tile: [1, rows, 1],
  } as const;
  const perRow = defineWgsl(
    {
      ...shared,
      template: "attention/rows.wgsl.hbs",
      values: { headDim, vectors, rowsPerTile: rows, scale },
      workgroup: [rows, 1, 1],
      workgroupBytes: 0,
    },
    target,
  );
  return defineWgsl(
    {
      ...shared,
      template: "attention/flash.wgsl.hbs",
      values: { headDim, chunks, valueChunks, stages, block, scale },
      workgroup: [8, 8, 1],
      workgroupBytes: (rows + KEYS) * pitch * 16 + rows * (KEYS + 1) * 4 + rows * 8 * 4,
      features: [HARDWARE],
      fallback: perRow,
    },
    target,
  );
}
