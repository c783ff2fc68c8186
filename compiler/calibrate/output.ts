import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { writeFileAtomic } from "../atomic-file.js";
import { whatIsThere } from "../bundle/occupant.js";
import { physicalPath, refuseNested, removeEmpty } from "../bundle/staging.js";
import { WorkFolder } from "../bundle/work-folder.js";
import {
  type CalibrationDescription,
  DESCRIPTION_FILE,
  differences,
  printDescription,
} from "../calibration/description.js";
import { readDescription } from "../calibration/folder.js";
import { MOMENTS_FILE } from "../calibration/moments.js";
import { partFile, partsOf, readPartLayout } from "../calibration/parts.js";
import { makeFolder } from "../make-folder.js";
import { describeSystemError } from "../system-errors.js";

/** A calibration folder while it is filled, by one thread of one process. */
export interface CalibrationOutput {
  /** What is filled. */
  readonly folder: string;
  /** An empty folder for files that are needed meanwhile; it goes in the end. */
  readonly scratch: string;
  /**
   * The parts that are not there yet. Throws TRITC_E_CALIBRATION_DIFFERS where there are some of another description, and
   * TRITC_E_OUT_EXISTS for a folder of something else.
   */
  begin(description: CalibrationDescription): Promise<readonly number[]>;
  /** Writes a part: its file is whole or not there. */
  write(part: number, bytes: Uint8Array): Promise<void>;
}

/** Fills a calibration folder. Throws TRITC_E_OUT_BUSY where somebody does so already, and TRITC_E_OUT. */
export async function withCalibrationOutput<T>(
  out: string,
  fill: (output: CalibrationOutput) => Promise<T>,
): Promise<T> {
  let work: WorkFolder | undefined;
  let made: string | undefined;
  try {
    if (!existsSync(join(out, DESCRIPTION_FILE))) await newOrEmpty(out);
    await refuseNested(resolve(out));
    made = await makeFolder(dirname(resolve(out)));
    const folder = await physicalPath(resolve(out));
    work = await WorkFolder.open(folder);
    await work.begin([]);
    const result = await fill({
      folder,
      scratch: work.bundle,
      async begin(description) {
        const there = await wholeParts(folder, out, description);
        if (there.size === 0) {
          await makeFolder(folder);
          await rm(join(folder, MOMENTS_FILE), { force: true });
          const text = printDescription(description);
          await writeFileAtomic(join(folder, DESCRIPTION_FILE), (file) => file.writeFile(text));
        }
        return partsOf(description).filter((part) => !there.has(part));
      },
      write: (part, bytes) => writeFileAtomic(join(folder, partFile(part)), (file) => file.writeFile(bytes)),
    });
    await work.remove();
    return result;
  } catch (error) {
    await work?.remove();
    if (made !== undefined) await removeEmpty(dirname(resolve(out)), made);
    throw describeSystemError(error, out) ?? error;
  }
}

/** What an earlier run of the same description left. What is damaged counts as missing. */
async function wholeParts(
  folder: string,
  out: string,
  description: CalibrationDescription,
): Promise<ReadonlySet<number>> {
  const there = new Set<number>();
  if (!existsSync(join(folder, DESCRIPTION_FILE))) {
    await newOrEmpty(out);
    return there;
  }
  const earlier = readDescription(folder);
  for (const part of partsOf(earlier)) {
    try {
      readPartLayout(join(folder, partFile(part)), earlier, part);
      there.add(part);
    } catch {
      // Not there, or damaged.
    }
  }
  if (there.size > 0) requireSame(out, earlier, description);
  return there;
}

/** Throws TRITC_E_CALIBRATION_DIFFERS where the calibration at a place is not the one that is wanted. */
export function requireSame(
  place: string,
  there: CalibrationDescription,
  wanted: CalibrationDescription,
): void {
  const [first, ...rest] = differences(there, wanted);
  if (first === undefined) return;
  const also = rest.length === 0 ? "" : `; so do ${rest.map(({ member }) => member).join(", ")}`;
  throw new TritcError({
    code: "TRITC_E_CALIBRATION_DIFFERS",
    message: `the calibration here is another: its ${first.member} differs${also}`,
    place,
    expected: cut(first.b),
    found: cut(first.a),
    remedy: "give the arguments that it was made with, or another folder",
    exitCode: 2,
  });
}

function cut(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

async function newOrEmpty(out: string): Promise<void> {
  if ((await whatIsThere(out)) !== "bundle") return;
  throw new TritcError({
    code: "TRITC_E_OUT_EXISTS",
    message: "a bundle is at the output path, so no calibration goes there",
    place: out,
    expected: "a new path, an empty folder, or an earlier calibration to go on with",
    found: "a bundle",
    remedy: "choose another path for --out, or remove what is there",
    exitCode: 2,
  });
}
