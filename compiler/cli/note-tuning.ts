import { createRequire } from "node:module";
import type { OpenedBundle } from "../../runtime/node/bundle.js";
import { isTunedFor } from "../tuning/bundle-records.js";
import type { Terminal } from "./terminal.js";

/** Whether a bundle was tuned for the device that it ran on; says how to where it was not. */
export async function noteTuning(
  terminal: Terminal,
  bundle: OpenedBundle,
  description: string,
): Promise<boolean> {
  const isTuned = await isTunedFor(bundle, description);
  if (!isTuned && canTune()) {
    const how = `\`tritc tune ${bundle.folder}\` measures which kernels are fastest`;
    terminal.note(`not tuned for this device (${description}): ${how}`);
  }
  return isTuned;
}

/** A machine that only runs bundles (`tritc pack-runner`) has nothing to make kernels with. */
function canTune(): boolean {
  try {
    createRequire(import.meta.url).resolve("handlebars");
    return true;
  } catch {
    return false;
  }
}
