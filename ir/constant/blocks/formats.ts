/** Forms of ggml in which rows are stored as blocks, by ggml's names and those of Prism's variants. */
export const BLOCK_FORMATS = [
  "Q8_0",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q2_K",
  "Q3_K",
  "Q4_K",
  "Q5_K",
  "Q6_K",
  "Q1_0",
  "Q2_0",
  "PQ2_0",
  "TQ1_0",
  "TQ2_0",
  "PTQ1_0",
] as const;
export type BlockFormat = (typeof BLOCK_FORMATS)[number];
