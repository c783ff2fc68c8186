/** GenEval's six questions about what a picture shows. */
import type { ColorName, Detection } from "./detect.js";
import type { ShapeClass } from "./templates.js";

export const TAGS = ["single_object", "two_object", "counting", "colors", "position", "color_attr"] as const;
export type Tag = (typeof TAGS)[number];

/** `of` the object it relates to: an index into `include`. */
export type Relation = readonly [kind: "left of" | "right of" | "above" | "below", of: number];

export interface IncludedObject {
  readonly class: ShapeClass;
  readonly count: number;
  readonly color?: ColorName;
  readonly position?: Relation;
}

/** One line of `eval/prompts.jsonl`, in GenEval's own format. */
export interface PromptRecord {
  readonly tag: Tag;
  readonly prompt: string;
  readonly include: readonly IncludedObject[];
}

export interface ScoreSummary {
  /** Share of correct pictures per tag; a tag without pictures is absent. */
  readonly tags: Readonly<Partial<Record<Tag, number>>>;
  /** Mean over the tags present. */
  readonly overall: number;
  readonly pictures: number;
}

/** How much longer the axis in question must be than the other one. */
const POSITION_SLACK = 0.8;

/** Whether the shapes found are what the prompt asks for. */
export function scorePicture(detections: readonly Detection[], record: PromptRecord): boolean {
  switch (record.tag) {
    case "single_object":
    case "two_object":
      return record.include.every((wanted) => detections.some((d) => d.class === wanted.class));
    case "colors":
    case "color_attr":
      return record.include.every((wanted) => detections.some((d) => matches(d, wanted)));
    case "counting":
      return record.include.every(
        (wanted) => detections.length === wanted.count && detections.every((d) => matches(d, wanted)),
      );
    case "position":
      return record.include.every((wanted) => isPlaced(detections, record.include, wanted));
  }
}

/** Class, and color where one is named. */
function matches(detection: Detection, wanted: IncludedObject): boolean {
  return detection.class === wanted.class && (wanted.color === undefined || detection.color === wanted.color);
}

function isPlaced(
  detections: readonly Detection[],
  include: readonly IncludedObject[],
  wanted: IncludedObject,
): boolean {
  const subject = detections.find((d) => d.class === wanted.class);
  if (subject === undefined || !matches(subject, wanted)) return false;
  if (wanted.position === undefined) return true;
  const [relation, of] = wanted.position;
  const anchor = detections.find((d) => d.class === include[of]?.class);
  if (anchor === undefined) return false;
  const dx = subject.cx - anchor.cx;
  const dy = subject.cy - anchor.cy;
  const sideways = Math.abs(dx) >= POSITION_SLACK * Math.abs(dy);
  const upright = Math.abs(dy) >= POSITION_SLACK * Math.abs(dx);
  switch (relation) {
    case "left of":
      return dx < 0 && sideways;
    case "right of":
      return dx > 0 && sideways;
    case "above":
      return dy < 0 && upright;
    case "below":
      return dy > 0 && upright;
  }
}

/** Scores per tag and their mean. */
export function summarize(
  results: readonly { readonly tag: Tag; readonly correct: boolean }[],
): ScoreSummary {
  const tags: Partial<Record<Tag, number>> = {};
  const shares: number[] = [];
  for (const tag of TAGS) {
    const ofTag = results.filter((result) => result.tag === tag);
    if (ofTag.length === 0) continue;
    const share = ofTag.filter((result) => result.correct).length / ofTag.length;
    tags[tag] = share;
    shares.push(share);
  }
  const overall = shares.length === 0 ? 0 : shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return { tags, overall, pictures: results.length };
}
