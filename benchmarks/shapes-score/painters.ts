import { openGenerator } from "../../runtime/node/generate.js";
import type { Picture } from "../../runtime/pipeline/picture.js";
import { type OrtJob, openOrtSampler } from "../ort-reference.js";

/** Draws one picture per job. */
export interface Painter {
  /** Jobs that are drawn together. */
  readonly batch: number;
  draw(jobs: readonly OrtJob[]): Promise<readonly Picture[]>;
  close(): Promise<void>;
}

export interface PaintOptions {
  /** Folder of tokenizers, encoders, VAE and scheduler. */
  readonly pipeline: string;
  readonly steps: number;
  readonly guidance: number;
  readonly threads?: number | undefined;
}

/** A bundle through its kernels. */
export async function bundlePainter(folder: string, options: PaintOptions): Promise<Painter> {
  const { pipeline, steps, guidance, threads } = options;
  const generator = await openGenerator(folder, { threads, pipeline });
  return {
    batch: 1,
    draw: (jobs) =>
      Promise.all(jobs.map((job) => generator.generate({ ...job, steps, guidance, width: 64, height: 64 }))),
    close: () => generator.close(),
  };
}

/** The graph of a transformer in ONNX Runtime, with the same noise and schedule. */
export async function ortPainter(transformer: string, options: PaintOptions): Promise<Painter> {
  const { pipeline, steps, guidance, threads } = options;
  const sampler = await openOrtSampler(transformer, pipeline, threads);
  return {
    batch: 24,
    draw: async (jobs) => (await sampler.sample(jobs, { steps, guidance })).map((s) => s.picture),
    close: () => sampler.close(),
  };
}
