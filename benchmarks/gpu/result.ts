import type { CaseResult } from "./measure-case.js";
import type { ModelResult } from "./measure-model.js";

/** What `peers.py` writes: milliseconds by name, and the models'. */
export interface Peers {
  readonly torch: string;
  readonly kernels: Readonly<Record<string, number>>;
  readonly models: readonly {
    readonly name: string;
    readonly stepMilliseconds: number;
    readonly seconds: number;
    readonly deviceBytes: number;
  }[];
}

/** A file of `benchmarks/results/`. */
export interface GpuResult {
  readonly device: string;
  readonly architecture: string;
  readonly driver: string;
  readonly date: string;
  readonly tritc: string;
  readonly target: string;
  readonly command: string;
  readonly cases: readonly CaseResult[];
  readonly models: readonly ModelResult[];
  readonly peers: Peers | null;
}

/** The results as the tables of `benchmarks/README.md`. */
export function resultTable(result: GpuResult): string {
  const { device, driver, date, peers, cases, models } = result;
  const kernels = cases.map(({ name, sizes, milliseconds, teraops, error, peer }) => {
    const other = peers?.kernels[peer];
    const cells = [
      name,
      Object.values(sizes)[0],
      milliseconds.toFixed(3),
      teraops.toFixed(0),
      other === undefined ? "" : other.toFixed(3),
      other === undefined ? "" : `${(other / milliseconds).toFixed(2)}x`,
      error.toExponential(1),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const rows = [
    ...models.map(({ name, stepMilliseconds, seconds, deviceBytes }) => ({
      name: `tritc ${name}`,
      stepMilliseconds,
      seconds,
      deviceBytes,
    })),
    ...(peers?.models ?? []),
  ];
  const whole = rows.map(
    ({ name, stepMilliseconds, seconds, deviceBytes }) =>
      `| ${name} | ${stepMilliseconds.toFixed(1)} | ${seconds.toFixed(2)} | ${(deviceBytes / 1e9).toFixed(2)} |`,
  );
  return [
    `${device}, driver ${driver}, ${date}${peers === null ? "" : `, PyTorch ${peers.torch}`}`,
    "",
    "| kernel | tokens | ms | TFLOP/s | PyTorch bf16 ms | ratio | error |",
    "|---|---|---|---|---|---|---|",
    ...kernels,
    "",
    "| FLUX.1-dev, 1024x1024 | step, ms | picture, s | device memory, GB |",
    "|---|---|---|---|",
    ...whole,
  ].join("\n");
}
