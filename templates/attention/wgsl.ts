import { type AttentionParams, attention, FLASH_CHUNK } from "../../ir/families/attention.js";
import { kernelTemplates } from "../kernel-templates.js";
import { exactly } from "../wgsl/exactly.js";
import { termValues } from "./terms.js";

export const attentionWgsl = kernelTemplates(attention.forms.wgsl, {
  configs({ params: { headDim } }) {
    const block = blockRows(headDim);
    return [
      { variant: "flash", block, valueChunks: 2 },
      { variant: "flash", block, valueChunks: 1 },
      // The same tile, so that one grid serves both.
      { variant: headDim <= 128 ? "rows" : "loops", rows: block === 4 ? 32 : block === 2 ? 16 : 8 },
    ];
  },
  values: {
    flash(params, { block, valueChunks }) {
      const { headDim, scale } = params;
      const chunks = Math.ceil(headDim / FLASH_CHUNK);
      const stages = Array.from({ length: Math.ceil(chunks / valueChunks) }, (_, i) => ({
        first: i * valueChunks,
        end: Math.min(chunks, (i + 1) * valueChunks),
      }));
      return { headDim, chunks, valueChunks, stages, block, scale, ...termValues(params) };
    },
    rows: (params, { rows }) => rowValues(params, rows),
    loops(params, { rows }) {
      const { terms: _, ...values } = rowValues(params, rows);
      return values;
    },
  },
});

function rowValues(params: AttentionParams, rows: number) {
  return {
    headDim: params.headDim,
    vectors: exactly(params.headDim, 4, "channels of a head"),
    rowsPerTile: rows,
    scale: params.scale,
    ...termValues(params),
  };
}

/** Rows of one invocation: its block of output channels, headDim / 8 a row, has to fit its registers. */
function blockRows(headDim: number): 1 | 2 | 4 {
  if (headDim <= 128) return 4;
  return headDim <= 256 ? 2 : 1;
}
