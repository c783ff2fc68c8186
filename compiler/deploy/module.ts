import { createRequire } from "node:module";
import type * as TsMorph from "ts-morph";
import type { SourceFile } from "ts-morph";
import { familyOf, type ModelDescription, type ReferenceRules } from "../../ir/models/index.js";
import { TEXT_PADDINGS, usualPadding } from "../../ir/models/text-padding.js";
import type { ProgramPort } from "../../ir/program/program.js";
import { DEFAULT_SAMPLER, SAMPLERS } from "../../ir/sampling/rules/index.js";
import type { Drawing } from "../drawing.js";

/** As `import` loads it too, but without searching its megabytes for the names of what it exports first. */
const { Project, QuoteKind, VariableDeclarationKind }: typeof TsMorph = createRequire(import.meta.url)(
  "ts-morph",
);

/** What the entry module of a bundle is made for. */
export interface EntryOptions {
  readonly inputs: readonly ProgramPort[];
  readonly outputs: readonly ProgramPort[];
  /** What it draws, and with which model; null for a graph that draws no pictures. */
  readonly drawing: Drawing | null;
  readonly model: ModelDescription | null;
}

/**
 * `index.js` and `index.d.ts` of a bundle: `generate` for a FLUX transformer, with exactly the options this
 * model has; `evaluate` with the graph's own tensor names for any other graph.
 */
export function entryModule(options: EntryOptions): { readonly js: string; readonly types: string } {
  const project = new Project({
    useInMemoryFileSystem: true,
    manipulationSettings: { quoteKind: QuoteKind.Double },
    compilerOptions: { allowJs: true },
  });
  const js = project.createSourceFile("index.js");
  const types = project.createSourceFile("index.d.ts");
  if (options.drawing === null) writeEvaluate(js, types, options);
  else writeGenerate(js, types, options.drawing, options);
  return { js: js.getFullText(), types: types.getFullText() };
}

function addFolder(js: SourceFile): void {
  js.addImportDeclaration({ moduleSpecifier: "node:url", namedImports: ["fileURLToPath"] });
  js.addVariableStatement({
    declarationKind: VariableDeclarationKind.Const,
    declarations: [{ name: "folder", initializer: `fileURLToPath(new URL(".", import.meta.url))` }],
  });
}

function writeGenerate(
  js: SourceFile,
  types: SourceFile,
  { resolutions, sampling }: Drawing,
  { inputs, model }: EntryOptions,
): void {
  const rules = model === null ? undefined : familyOf(model).sampling;
  const padding = model === null ? null : usualPadding(model);
  const twoPasses = sampling.guidance !== null && inputs.every(({ role }) => role !== "guidance");
  js.addImportDeclaration({ moduleSpecifier: "tritc/runtime/node", namedImports: ["openGenerator"] });
  addFolder(js);
  js.addFunction({
    name: "open",
    isExported: true,
    isAsync: true,
    parameters: [{ name: "options", initializer: "{}" }],
    statements: ["return openGenerator(folder, options);"],
    docs: ["Loads the bundle on its device; `generate` of the result draws, `close` frees it."],
  });
  js.addFunction({
    name: "generate",
    isExported: true,
    isAsync: true,
    parameters: [{ name: "options" }],
    statements: [
      "const generator = await openGenerator(folder, options);",
      "try {\n  return await generator.generate(options);\n} finally {\n  await generator.close();\n}",
    ],
    docs: ["Draws one picture. To draw several, `open` the bundle once."],
  });

  const pictures = conditionProperties(sampling, rules?.references);
  types.addImportDeclaration({
    moduleSpecifier: "tritc/runtime/node",
    isTypeOnly: true,
    namedImports: ["GeneratedPicture", "GeneratorOptions", ...(pictures.length > 0 ? ["Picture"] : [])],
  });
  const [size] = resolutions;
  const planned =
    resolutions.length < 2
      ? ""
      : ` Planned for ${resolutions.map(({ width, height }) => `${width}x${height}`).join(", ")}.`;
  const side = (name: "width" | "height") => ({
    name: `readonly ${name}`,
    type: "number",
    hasQuestionToken: true,
    docs: [`Pixels; ${size[name]} if absent.${planned}`],
  });
  types.addInterface({
    name: "GenerateOptions",
    isExported: true,
    properties: [
      { name: "readonly prompt", type: "string" },
      {
        name: "readonly seed",
        type: "number | bigint",
        hasQuestionToken: true,
        docs: ["Seed of the noise; 0 if absent."],
      },
      {
        name: "readonly steps",
        type: "number",
        hasQuestionToken: true,
        docs: [`Denoising steps; ${sampling.steps} if absent.`],
      },
      {
        name: "readonly sampler",
        type: SAMPLERS.map((sampler) => JSON.stringify(sampler)).join(" | "),
        hasQuestionToken: true,
        docs: [`How the picture moves from step to step; ${DEFAULT_SAMPLER} if absent.`],
      },
      ...(sampling.guidance !== null
        ? [
            {
              name: "readonly guidance",
              type: "number",
              hasQuestionToken: true,
              docs: [`Guidance scale; ${sampling.guidance} if absent.`],
            },
          ]
        : []),
      ...(rules?.trueGuidance === true && !twoPasses
        ? [
            {
              name: "readonly trueCfgScale",
              type: "number",
              hasQuestionToken: true,
              docs: ["Above 1, the scale of guidance by a second pass, away from `negativePrompt`."],
            },
          ]
        : []),
      ...(twoPasses || rules?.trueGuidance === true
        ? [
            {
              name: "readonly negativePrompt",
              type: "string",
              hasQuestionToken: true,
              docs: ["What to go away from; nothing if absent."],
            },
          ]
        : []),
      side("width"),
      side("height"),
      {
        name: "readonly textLength",
        type: "number",
        hasQuestionToken: true,
        docs: [`Text tokens; ${sampling.textLength} if absent.`],
      },
      ...(padding !== "seen"
        ? []
        : [
            {
              name: "readonly textPadding",
              type: TEXT_PADDINGS.map((name) => JSON.stringify(name)).join(" | "),
              hasQuestionToken: true,
              docs: [`How the model is given the padding of its text; ${padding} if absent.`],
            },
          ]),
      ...pictures,
      {
        name: "readonly latents",
        type: "Float32Array",
        hasQuestionToken: true,
        docs: ["What to begin with instead of the seed's noise: packed latents."],
      },
      {
        name: "readonly onStep",
        type: "(progress: { readonly step: number; readonly steps: number }) => void",
        hasQuestionToken: true,
      },
      {
        name: "readonly signal",
        type: "AbortSignal",
        hasQuestionToken: true,
        docs: ["Stops between steps."],
      },
    ],
  });
  types.addInterface({
    name: "Generator",
    isExported: true,
    methods: [
      {
        name: "generate",
        parameters: [{ name: "options", type: "GenerateOptions" }],
        returnType: "Promise<GeneratedPicture>",
      },
      { name: "close", returnType: "Promise<void>" },
    ],
  });
  types.addFunction({
    name: "open",
    isExported: true,
    parameters: [{ name: "options", type: "GeneratorOptions", hasQuestionToken: true }],
    returnType: "Promise<Generator>",
    docs: ["Loads the bundle on its device; `generate` of the result draws, `close` frees it."],
  });
  types.addFunction({
    name: "generate",
    isExported: true,
    parameters: [{ name: "options", type: "GenerateOptions & GeneratorOptions" }],
    returnType: "Promise<GeneratedPicture>",
    docs: ["Draws one picture. To draw several, `open` the bundle once."],
  });
}

const AUTO_RESIZE = {
  name: "readonly autoResize",
  type: "boolean",
  hasQuestionToken: true,
  docs: ["`false` takes `image` at its own size, not at one that the model was trained at."],
};

/** The pictures that a model needs, or may be given, as pixels or PNG files. */
function conditionProperties({ condition }: Drawing["sampling"], references: ReferenceRules | undefined) {
  const one = "Picture | Uint8Array";
  const picture = (name: string, docs: string, hasQuestionToken = false, type = one) => ({
    name: `readonly ${name}`,
    type,
    hasQuestionToken,
    docs: [`${docs}: pixels or a PNG file's bytes, of any size.`],
  });
  const strength = {
    name: "readonly strength",
    type: "number",
    hasQuestionToken: true,
    docs: ["How much of `image` is drawn anew: above 0, at most 1."],
  };
  switch (condition) {
    case "control":
      return [picture("control", "What the picture follows")];
    case "fill":
      return [picture("image", "The picture to draw into"), picture("mask", "White where to draw"), strength];
    case "none":
      return [
        picture("image", "The picture to begin with", true),
        picture("mask", "White where `image` is drawn over", true),
        strength,
      ];
    case "reference": {
      const several = (references?.most ?? 1) > 1;
      const docs = several
        ? `The pictures, up to ${references?.most}, to draw after`
        : "The picture to draw after";
      const image = picture("image", docs, true, several ? `${one} | readonly (${one})[]` : one);
      return references?.scales === true ? [image, AUTO_RESIZE] : [image];
    }
    default:
      return [];
  }
}

function writeEvaluate(js: SourceFile, types: SourceFile, options: EntryOptions): void {
  js.addImportDeclaration({ moduleSpecifier: "tritc/runtime/node", namedImports: ["evaluateFolder"] });
  addFolder(js);
  js.addFunction({
    name: "evaluate",
    isExported: true,
    isAsync: true,
    parameters: [{ name: "inputs" }, { name: "options", initializer: "{}" }],
    statements: ["return evaluateFolder(folder, inputs, options);"],
    docs: ["One forward pass on the bundle's device."],
  });

  types.addImportDeclaration({
    moduleSpecifier: "tritc/runtime/node",
    isTypeOnly: true,
    namedImports: ["OpenDeviceOptions", "Tensor"],
  });
  for (const [name, ports] of [
    ["Inputs", options.inputs],
    ["Outputs", options.outputs],
  ] as const) {
    types.addInterface({
      name,
      isExported: true,
      properties: ports.map((port) => ({
        name: `readonly ${JSON.stringify(port.name)}`,
        type: "Tensor",
        docs: [`[${port.shape.join(", ")}]`],
      })),
    });
  }
  types.addFunction({
    name: "evaluate",
    isExported: true,
    parameters: [
      { name: "inputs", type: "Inputs" },
      { name: "options", type: "OpenDeviceOptions", hasQuestionToken: true },
    ],
    returnType: "Promise<Outputs>",
    docs: ["One forward pass on the bundle's device."],
  });
}
