/**
 * Draws tiny pipelines of every supported class with Diffusers and with tritc, from one noise, and prints how far they are apart:
 *
 *   npm run interop -- [--python python3] [--target cpu] [--cases dev,kontext] [--keep <folder>] [--json]
 *
 * Needs Python with torch, transformers and diffusers; says so where they are missing. Exit code 1 where a picture differs by more
 * than 2/255, or last latents by more than 1e-3 of their length.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { table } from "../../compiler/cli/terminal.js";
import { compileModel } from "../../compiler/compile.js";
import { headerLength, parseHeader } from "../../ir/format/safetensors.js";
import { type GenerateOptions, openGenerator } from "../../runtime/node/generate.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const PACKAGES = ["torch", "transformers", "diffusers", "safetensors", "PIL"];
const MOST_PICTURE = 2;
const MOST_LATENTS = 1e-3;

interface Case {
  readonly pipeline: string;
  readonly request: Omit<GenerateOptions, "latents"> & { readonly width: number; readonly height: number };
  /** Pictures that it draws after. */
  readonly references: number;
  readonly pictures: Readonly<Partial<Record<"image" | "mask" | "control", readonly string[]>>>;
}

/** How far tritc's drawing is from the original's. */
interface Difference {
  readonly name: string;
  readonly pipeline: string;
  /** Length of the difference of the last latents over theirs; null where it did not draw. */
  readonly latents: number | null;
  /** The largest difference of a value of the picture, in 255ths. */
  readonly picture: number | null;
  readonly error: string | null;
}

async function whatIsMissing(python: string): Promise<string | undefined> {
  const { failed, stderr } = await execa(python, ["-c", `import ${PACKAGES.join(", ")}`], { reject: false });
  if (!failed) return undefined;
  const last = stderr?.trim().split("\n").at(-1) ?? "it does not run";
  return `${python}: ${last}; this check needs Python with ${PACKAGES.join(", ")} (pip install torch transformers diffusers)`;
}

/** The f32 tensors of a small file. */
function tensorsOf(file: string): ReadonlyMap<string, Float32Array> {
  const bytes = new Uint8Array(readFileSync(file));
  const { entries } = parseHeader(
    bytes.subarray(0, 8 + headerLength(bytes, bytes.length, file)),
    bytes.length,
    file,
  );
  return new Map(
    [...entries].map(([name, { offset, length }]) => [
      name,
      new Float32Array(bytes.slice(offset, offset + length).buffer),
    ]),
  );
}

async function drawn(folder: string, target: string): Promise<Pick<Difference, "latents" | "picture">> {
  const { request, references, pictures } = JSON.parse(
    readFileSync(join(folder, "case.json"), "utf8"),
  ) as Case;
  const expected = tensorsOf(join(folder, "expected.safetensors"));
  const tensor = (name: string) => expected.get(name) ?? new Float32Array();
  const out = join(folder, `bundle-${target}`);
  await compileModel({
    input: join(folder, "pipeline"),
    out,
    target,
    ternarize: "none",
    activations: "f32",
    resolutions: [{ width: request.width, height: request.height }],
    references,
  });
  const generator = await openGenerator(out, { software: true });
  try {
    const files = (names: readonly string[] = []) => names.map((name) => readFileSync(join(folder, name)));
    const [image, [mask], [control]] = [files(pictures.image), files(pictures.mask), files(pictures.control)];
    const { latents, rgb } = await generator.generate({
      ...request,
      latents: tensor("noise"),
      ...(image.length === 0
        ? {}
        : { image: image.length === 1 && image[0] !== undefined ? image[0] : image }),
      ...(mask === undefined ? {} : { mask }),
      ...(control === undefined ? {} : { control }),
    });
    return {
      latents: relative(latents, tensor("result")),
      picture: Math.max(
        ...tensor("picture").map((value, i) => Math.abs(Math.round(value * 255) - (rgb[i] ?? 0))),
      ),
    };
  } finally {
    await generator.close();
  }
}

function relative(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  const length = (values: Float32Array) => Math.hypot(...values);
  return length(found.map((value, i) => value - (expected[i] ?? 0))) / length(expected);
}

async function interop(): Promise<number> {
  const { values } = parseArgs({
    options: {
      python: { type: "string", default: "python3" },
      target: { type: "string", default: "cpu" },
      cases: { type: "string" },
      keep: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const missing = await whatIsMissing(values.python);
  if (missing !== undefined) {
    process.stderr.write(`${missing}\n`);
    return 1;
  }
  const folder = values.keep ?? mkdtempSync(join(tmpdir(), "tritc-interop-"));
  try {
    const models = join(root, "test/models/diffusers");
    const wanted = values.cases?.split(",") ?? [];
    const script = join(root, "benchmarks/interop/pipelines.py");
    const made = await execa(
      values.python,
      [script, folder, join(models, "flux1"), join(models, "klein"), ...wanted],
      { stderr: "inherit" },
    );
    const lines = made.stdout.trim().split("\n");
    const versions: unknown = JSON.parse(lines.pop() ?? "{}");
    const differences: Difference[] = [];
    for (const name of lines.filter((line) => existsSync(join(folder, line, "case.json")))) {
      const at = join(folder, name);
      const { pipeline } = JSON.parse(readFileSync(join(at, "case.json"), "utf8")) as Case;
      const found = await drawn(at, values.target).then(
        (difference) => ({ ...difference, error: null }),
        (error: unknown) => ({
          latents: null,
          picture: null,
          error: error instanceof Error ? error.message : String(error),
        }),
      );
      differences.push({ name, pipeline, ...found });
    }
    const isClose = ({ latents, picture }: Difference) =>
      latents !== null && latents <= MOST_LATENTS && picture !== null && picture <= MOST_PICTURE;
    const rows = differences.map(({ name, pipeline, latents, picture, error }) => [
      name,
      pipeline,
      latents?.toExponential(1) ?? "",
      picture === null ? "" : `${picture}/255`,
      error ?? "",
    ]);
    process.stdout.write(
      values.json
        ? `${JSON.stringify({ versions, target: values.target, differences })}\n`
        : `${JSON.stringify(versions)}, ${values.target}\n${table([["case", "pipeline", "latents", "picture", ""], ...rows])}\n`,
    );
    return differences.length > 0 && differences.every(isClose) ? 0 : 1;
  } finally {
    if (values.keep === undefined) rmSync(folder, { recursive: true });
  }
}

process.exitCode = await interop();
