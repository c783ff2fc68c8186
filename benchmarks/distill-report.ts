import { writeFile } from "node:fs/promises";
import { compareModels } from "../compiler/compare/compare.js";
import type { CompareOptions } from "../compiler/compare/options.js";
import { renderComparison } from "../compiler/compare/report.js";
import { renderTable, type Section } from "../compiler/report/markup.js";
import { type PromptRecord, type ScoreSummary, TAGS } from "./shapes-score/score.js";

/** What was scored of a form of the model: means over all pictures. */
export interface ScoredForm {
  readonly name: string;
  readonly score: ScoreSummary;
  /** Of same-seed pictures to those of full precision; equal ones count as 99 dB. */
  readonly psnr: number;
  readonly ssim: number;
}

/** Prompts of each category whose pictures are shown. */
const SHOWN = 2;

/** Writes the page of a comparison of all forms, with their scores. */
export async function writeDistillReport(
  path: string,
  models: Omit<CompareOptions, "prompts">,
  records: readonly PromptRecord[],
  forms: readonly ScoredForm[],
): Promise<void> {
  const shown = TAGS.flatMap((tag) => records.filter((record) => record.tag === tag).slice(0, SHOWN));
  const comparison = await compareModels({ ...models, prompts: shown.map(({ prompt }) => prompt) });
  await writeFile(path, renderComparison(comparison, [scoreSection(forms)]));
}

/** GenEval's categories. */
export function scoreSection(forms: readonly ScoredForm[]): Section {
  const rows = forms.map(({ name, score, psnr, ssim }) => [
    name,
    ...TAGS.map((tag) => score.tags[tag]?.toFixed(3) ?? "-"),
    ...[score.overall.toFixed(3), psnr.toFixed(2), ssim.toFixed(4)],
  ]);
  return {
    heading: "Score by category",
    note: `GenEval's questions, asked of what a detector of shapes sees: share of ${forms[0]?.score.pictures ?? 0} pictures that are what their prompts say. PSNR and SSIM are means over all of them.`,
    body: renderTable(["model", ...TAGS.map((tag) => `#${tag}`), "#overall", "#PSNR", "#SSIM"], rows),
  };
}
