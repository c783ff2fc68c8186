/** No kernel takes less by the cost model than what its device does at its peak, however its counts were made. */
import { describe, expect, it } from "vitest";
import { deviceKinds } from "../../targets/device-kind.js";
import { TARGETS } from "../../targets/index.js";
import { bestOf } from "../../templates/choice/choose.js";
import { costsFor, type FamilyParams } from "../../templates/index.js";

type Linear = FamilyParams["ternary-gemm"];

const plain = { activation: "none", bias: true, gated: false } as const;
/** Layers of FLUX.1-dev. */
const LINEARS: readonly Linear[] = [
  { ...plain, n: 12_288, k: 3072, activation: "gelu-tanh", out: "bf16", activations: "i8" },
  { ...plain, n: 3072, k: 15_360, gated: true, activations: "bf16" },
];
const ROWS = [64, 513, 4608];
const ARCHITECTURES = TARGETS.filter(({ language }) => language === "cuda").filter(
  (target, i, all) => all.findIndex((other) => archOf(other) === archOf(target)) === i,
);

function archOf(target: (typeof TARGETS)[number]): string | undefined {
  return deviceKinds(target)[0]?.name;
}

describe.each(ARCHITECTURES.map((target) => [target.name, target] as const))("linears on %s", (_, target) => {
  const device = deviceKinds(target)[0] ?? expect.fail();
  const { units, hertz, perCycle, bytesPerSecond, doubt = 0 } = device.speed ?? expect.fail();

  it.each(LINEARS)(
    "take their operations and their codes at least, and more for more rows: $activations",
    (params) => {
      const { n, k, activations } = params;
      const rate = Math.max(
        ...(activations === "i8"
          ? [perCycle.tensorInt8, perCycle.int8]
          : [perCycle.tensorF16, perCycle.f16, perCycle.f32]
        ).map((each) => each ?? 0),
      );
      let last = 0;
      for (const rows of ROWS) {
        const fitting = costsFor("ternary-gemm", params, { target, device, rows: [rows] }).filter(
          ({ rejected }) => rejected === null,
        );
        const known = fitting.flatMap(({ cost }) => cost?.launches.map(({ seconds }) => seconds) ?? []);
        const least = Math.max(
          (2 * rows * n * k) / (rate * units * hertz),
          (n * k) / 4 / bytesPerSecond.memory,
        );
        expect(Math.min(least, ...known)).toBe(least);
        expect(known.every(Number.isFinite)).toBe(true);
        const seconds = bestOf(fitting, doubt)?.cost?.seconds;
        expect(fitting.length).toBeGreaterThan(0);
        // Those of old GPUs have no counts.
        if (seconds === undefined) continue;
        expect(seconds).toBeGreaterThan(last * (1 - doubt));
        last = seconds;
      }
    },
  );
});
