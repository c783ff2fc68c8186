import { basename } from "node:path";
import { TritcError } from "../../../ir/errors.js";
import { readTemplateFile, templatesRoot } from "../../../templates/files.js";
import { renderTemplate } from "../../../templates/render.js";
import { inTemporaryFolder, runNvcc } from "./run.js";
import { type BuildOptions, type Compiler, type CudaSource, writeInputs } from "./source.js";

/** nvcc's messages that an error shows; the first says what is wrong, the rest mostly follow from it. */
const SHOWN_LINES = 20;

/** A place and what nvcc says of it. */
interface Diagnostic {
  /** A file below the package, such as `templates/ternary-gemm/mma.cu.hbs`. */
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/**
 * Why nvcc refuses a source, by the template's own lines: the template is rendered again with `#line` directives and
 * compiled again for the messages alone.
 *
 * @param output what nvcc printed the first time, for failures that do not come back
 */
export async function compileError(
  kernel: CudaSource,
  output: string,
  compiler: Compiler,
  options: BuildOptions,
): Promise<TritcError> {
  const { template, values } = kernel.definition;
  const marked = renderTemplate(template, values, { lines: true });
  const again = await inTemporaryFolder(async (folder) => {
    await writeInputs(folder, marked, options.toolkit);
    const args = [...compiler.flags, "-I", templatesRoot(), "kernel.cu", "-o", "kernel.out"];
    return runNvcc(compiler.program, args, folder, options.signal);
  });
  const messages = (again.ok ? output : again.output).replaceAll(templatesRoot(), "templates").trim();
  const first = firstDiagnostic(messages);
  const line = first === undefined ? undefined : templateLine(first);
  const place = first === undefined ? `templates/${template}` : `${first.file}:${first.line}`;
  return new TritcError({
    code: "TRITC_E_CUDA_COMPILE",
    message: `${basename(compiler.program)} refuses the kernel: ${first?.message ?? "see its messages"}\n${shorten(messages)}`,
    place: `${place} (${kernel.id})`,
    ...(line === undefined ? {} : { found: line }),
    remedy: `report it with these messages; the compiler is ${compiler.program}, CUDA ${options.toolkit.version}`,
  });
}

/** `file(12): error: …` as nvcc's front end writes it, or `file:12:3: error: …` as the host's preprocessor does. */
export function firstDiagnostic(messages: string): Diagnostic | undefined {
  const match =
    /^([^\s():]+)(?:\((\d+)\)|:(\d+)(?::\d+)?): (?:fatal |catastrophic )?error(?: #[\w-]+)?: (.*)$/m.exec(
      messages,
    );
  const [, file, a, b, message] = match ?? [];
  if (file === undefined || message === undefined) return undefined;
  return { file, line: Number(a ?? b), message };
}

function templateLine({ file, line }: Diagnostic): string | undefined {
  if (!file.startsWith("templates/")) return undefined;
  try {
    return readTemplateFile(file.slice("templates/".length)).split("\n")[line - 1]?.trim();
  } catch {
    return undefined;
  }
}

function shorten(messages: string): string {
  const lines = messages.split("\n").map((line) => `  ${line}`);
  const more = lines.length - SHOWN_LINES;
  return [...lines.slice(0, SHOWN_LINES), ...(more > 0 ? [`  (${more} more lines)`] : [])].join("\n");
}
