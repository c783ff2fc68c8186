import { BLOCK_LAYOUTS } from "../../../ir/constant/blocks/index.js";
import { ggufError } from "./errors.js";
import type { GgufEntry, GgufHeader } from "./header.js";
import { kindOf } from "./kinds.js";

/** ggml's blocks of 64, and Prism's of 128, which went by the same number before they got one of their own. */
const FORMS = ["Q2_0", "PQ2_0"] as const;

/** What the Q2_0 of a file is: the one form in which the data of all such tensors fill the room up to the next. */
export function twoBitBlocks({ file, entries, alignment }: GgufHeader): "Q2_0" | "PQ2_0" {
  const tensors = entries.filter(({ kind }) => kindOf(kind).name === "Q2_0");
  if (tensors.length === 0) return "Q2_0";
  const fits = (form: (typeof FORMS)[number]) => (entry: GgufEntry) => {
    const { elements, bytes } = BLOCK_LAYOUTS[form];
    const length = (entry.elements / elements) * bytes;
    const padded = Math.ceil(length / alignment) * alignment;
    const room = entry.next - entry.offset;
    // Behind the last tensor some files end at once.
    return (entry.shape.at(-1) ?? 1) % elements === 0 && (room === padded || room === length);
  };
  const found = FORMS.filter((form) => tensors.every(fits(form)));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const stranger = tensors.find((entry) => !FORMS.some((form) => fits(form)(entry))) ?? tensors[0];
  throw ggufError({
    place: `${file}: ${stranger?.name ?? ""}`,
    message:
      found.length === 0
        ? "the Q2_0 tensors have the size of no such blocks"
        : "the Q2_0 tensors are too small to tell their blocks",
    expected: "all in blocks of 64 elements (18 bytes), or all in blocks of 128 (34 bytes)",
    found:
      stranger === undefined
        ? "none"
        : `[${stranger.shape.join(", ")}] in ${stranger.next - stranger.offset} bytes`,
  });
}
