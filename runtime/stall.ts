import { checkWhole } from "../ir/bounds.js";
import { TritcError } from "../ir/errors.js";

/** Work is looked at this often, in milliseconds. */
const WATCH_INTERVAL = 500;

/** Seconds without any progress after which a run is given up. Throws TRITC_E_RANGE. */
export function checkStallSeconds(seconds = 60): number {
  return checkWhole("stallSeconds", seconds, 1, 1e6);
}

/**
 * Calls `onStall` where `progress` stays the same for `seconds`: a kernel that never ends must not keep the host waiting
 * forever. Looks are counted, not time, so that a machine that slept raises no alarm. Returns what ends the watch.
 */
export function watchProgress(progress: () => number, seconds: number, onStall: () => void): () => void {
  const most = Math.ceil((seconds * 1000) / WATCH_INTERVAL);
  let [seen, quiet] = [progress(), 0];
  const timer = setInterval(() => {
    const now = progress();
    quiet = now === seen ? quiet + 1 : 0;
    seen = now;
    if (quiet >= most) onStall();
  }, WATCH_INTERVAL);
  return () => clearInterval(timer);
}

/** TRITC_E_KERNEL_STALLED; `place` names the launch, `found` what was done about it. */
export function stalledError(place: string, seconds: number, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_KERNEL_STALLED",
    message: "a kernel does not come to an end",
    place,
    expected: `some progress within ${seconds} s`,
    found,
    remedy: "verify where the bundle is from; on a very slow machine, allow more time (--stall-seconds)",
  });
}
