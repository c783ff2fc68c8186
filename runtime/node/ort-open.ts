import { checkWhole, MAX_THREADS } from "../../ir/bounds.js";
import { TritcError } from "../../ir/errors.js";
import { importOptional } from "./optional-package.js";
import { OrtProcess } from "./ort-process.js";

export interface OrtOptions {
  /** Threads per operator; ONNX Runtime's own choice (the physical cores) if absent. */
  readonly threads?: number | undefined;
}

/**
 * Opens an ONNX file in ONNX Runtime, on the CPU. `place` and `remedy` are for the message where it is refused.
 *
 * @throws TritcError `TRITC_E_PACKAGE` if the runtime is not installed, `TRITC_E_ORT` if it refuses the file
 */
export async function openOrt(
  path: string,
  { threads, place, remedy }: OrtOptions & { readonly place: string; readonly remedy: string },
) {
  if (threads !== undefined) checkWhole("threads", threads, 1, MAX_THREADS);
  const ort = await importOptional("onnxruntime-node", () => OrtProcess.start());
  const sessionOptions = {
    executionProviders: ["cpu"],
    // Its errors come with what is thrown.
    logSeverityLevel: 4,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads, interOpNumThreads: 1 }),
  };
  const session = await ort.call("open", path, sessionOptions).catch((cause: unknown) => {
    ort.close();
    throw ortError(place, "ONNX Runtime cannot load this model", cause, remedy);
  });
  return { ort, ...session };
}

/** What ONNX Runtime said. */
export function ortError(place: string, message: string, cause: unknown, remedy: string): TritcError {
  const found = cause instanceof Error ? cause.message : String(cause);
  return new TritcError({ code: "TRITC_E_ORT", message, place, found, remedy, cause });
}
