import { Presets, SingleBar } from "cli-progress";
import { formatBytes } from "../units.js";
import { type Progress, rateMeter } from "./progress.js";

/** A bar with rate and time left on standard error. The unit `bytes` shows sizes. */
export function progressBar(label: string, unit: string): Progress {
  const bar = new SingleBar(
    {
      format:
        unit === "bytes"
          ? `${label} {bar} {percentage}% of {size} · {rate}/s · {eta_formatted} left`
          : `${label} {bar} {value}/{total} ${unit}{values} · {rate}/s · {eta_formatted} left`,
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      etaBuffer: 20,
    },
    Presets.shades_classic,
  );
  const rateOf = rateMeter();
  return {
    update(done, total, values = {}) {
      const perSecond = rateOf(done) ?? 0;
      const rate = unit === "bytes" ? formatBytes(perSecond) : perSecond.toPrecision(3);
      const numbers = Object.entries(values).map(([name, value]) => ` · ${name} ${value.toPrecision(3)}`);
      const shown = { size: formatBytes(total), rate, values: numbers.join("") };
      if (!bar.isActive) bar.start(total, done, shown);
      else {
        bar.setTotal(total);
        bar.update(done, shown);
      }
    },
    stop() {
      if (bar.isActive) bar.stop();
    },
  };
}
