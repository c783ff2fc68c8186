import type { Picture } from "../../runtime/pipeline/picture.js";
import { readPicture } from "./detect.js";
import type { Painter } from "./painters.js";
import { type PromptRecord, type ScoreSummary, scorePicture, summarize } from "./score.js";

export interface ScoreOptions {
  /** The picture of prompt i has this seed + i, so any one of them can be made again alone. */
  readonly seed: number;
  readonly onPicture?: (index: number, picture: Picture) => Promise<void> | void;
}

/** Draws a picture of every prompt, and scores what is seen on them; closes the painter. */
export async function scorePainter(
  painter: Painter,
  prompts: readonly PromptRecord[],
  { seed, onPicture }: ScoreOptions,
): Promise<ScoreSummary> {
  const results = [];
  try {
    for (let at = 0; at < prompts.length; at += painter.batch) {
      const records = prompts.slice(at, at + painter.batch);
      const pictures = await painter.draw(records.map(({ prompt }, i) => ({ prompt, seed: seed + at + i })));
      for (const [i, record] of records.entries()) {
        const picture = pictures[i];
        if (picture === undefined) throw new Error(`no picture for prompt ${at + i}`);
        const detections = readPicture(picture.rgb, picture.width, picture.height);
        results.push({ tag: record.tag, correct: scorePicture(detections, record) });
        await onPicture?.(at + i, picture);
      }
    }
  } finally {
    await painter.close();
  }
  return summarize(results);
}
