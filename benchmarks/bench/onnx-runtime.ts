import { InferenceSession, Tensor } from "onnxruntime-node";
import { encodeModel, type PeerModel } from "../peer-model.js";
import type { BenchContext, Task } from "./subject.js";

/** ONNX Runtime with a model, on the processor or the adapter that our kernels run on. */
export async function onnxRuntimeTask(
  name: string,
  model: PeerModel,
  values: Readonly<Record<string, Float32Array<ArrayBuffer>>>,
  { target, threads }: Pick<BenchContext, "target" | "threads">,
  tolerance = 0,
): Promise<{ readonly task: Task; readonly close: () => Promise<void> }> {
  const session = await InferenceSession.create(encodeModel(model), {
    executionProviders: [target],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const feeds = Object.fromEntries(
    Object.entries(model.inputs).map(([input, dims]) => [
      input,
      new Tensor("float32", values[input] ?? new Float32Array(), dims),
    ]),
  );
  const task: Task = {
    name,
    isPeer: true,
    tolerance,
    run: () => session.run(feeds),
    result: async () => (await session.run(feeds)).y?.data as Float32Array,
  };
  return { task, close: () => session.release() };
}
