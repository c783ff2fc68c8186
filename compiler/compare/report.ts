import { lineChart } from "../report/line-chart.js";
import {
  type EmbeddedPicture,
  renderChart,
  renderPage,
  renderPictures,
  renderTable,
  type Section,
} from "../report/markup.js";
import { formatQuantity } from "../units.js";
import { type Comparison, type Drawn, meansOf, type Ran } from "./comparison.js";
import { meansByKind } from "./layer-errors.js";

/** One HTML page that loads nothing: all measures of a comparison, then the sections of others, then the pictures. */
export function renderComparison(comparison: Comparison, more: readonly Section[] = []): string {
  const { reference, drawn } = comparison;
  const title = `tritc compare: ${reference.path}`;
  const sections = [
    summarySection(comparison),
    ...(drawn === null ? [] : curveSections(comparison)),
    ...(comparison.models.some(({ layers }) => layers !== null) ? layerSections(comparison) : []),
    ...more,
    ...(drawn === null ? [] : [pictureSection(comparison, drawn)]),
  ];
  return renderPage(title, introduction(comparison), sections);
}

/** A model, and what it ran in. */
function nameOf({ path, target }: Ran): string {
  return `${path} (${target === null ? "ONNX Runtime" : `kernels, ${target}`})`;
}

function introduction({ reference, models, drawn }: Comparison): string {
  const what = `${formatQuantity(models.length, "model")} beside ${nameOf(reference)}`;
  if (drawn === null) return `${what}.`;
  const { samples, width, height, steps, guidance, textTokens } = drawn;
  const scale = guidance === null ? "" : `, guidance ${guidance}`;
  return `${what}: ${formatQuantity(samples.length, "picture")} of ${width}x${height}, ${formatQuantity(steps, "step")}${scale}, ${formatQuantity(textTokens, "text token")}.`;
}

function decimals(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined ? "-" : value.toFixed(digits);
}

function summarySection({ models }: Comparison): Section {
  const rows = models.map((model) => {
    const { velocityError, latentDistance, psnr, ssim, layerError } = meansOf(model);
    return [
      nameOf(model),
      decimals(velocityError, 4),
      decimals(latentDistance, 4),
      decimals(psnr, 2),
      decimals(ssim, 4),
      decimals(layerError, 4),
    ];
  });
  return {
    heading: "Summary",
    note: "Velocity: relative L2 distance of what is predicted at the reference's own latents, mean over the steps. Latents: that of what both end with, each on its own way from the same noise. PSNR in dB (equal pictures count 99) and SSIM: of the decoded pictures. Layers: share of the squares of a layer's results that is lost, mean over the layers.",
    body: renderTable(["model", "#velocity", "#latents", "#PSNR", "#SSIM", "#layers"], rows),
  };
}

function curveSections({ models }: Comparison): readonly Section[] {
  const curve = (heading: string, note: string, of: "velocityErrors" | "latentDistances"): Section => ({
    heading,
    note,
    body: renderChart(
      lineChart(
        heading,
        models.map((model) => ({ name: nameOf(model), values: model.drawn?.[of] ?? [] })),
      ),
    ),
  });
  return [
    curve(
      "Velocity error by step",
      "Relative L2 distance of the velocities at the reference's latents, mean over the pictures. Step 1 is at pure noise.",
      "velocityErrors",
    ),
    curve(
      "Distance of the latents after each step",
      "Relative L2 distance, each model on its own way from the same noise, mean over the pictures.",
      "latentDistances",
    ),
  ];
}

function layerSections({ models }: Comparison): readonly Section[] {
  const measured = models.flatMap(({ layers, ...model }) => (layers === null ? [] : [{ model, layers }]));
  const heads = measured.map(({ model }) => `#${nameOf(model)}`);
  const columns = measured.map(
    ({ layers }) => new Map(layers.errors.map(({ role, error }) => [role, error])),
  );
  const kinds = measured.map(({ layers }) => meansByKind(layers.errors));
  const rowsOf = (maps: readonly ReadonlyMap<string, number>[]) =>
    [...new Set(maps.flatMap((map) => [...map.keys()]))].map((name) => ({
      name,
      errors: maps.map((map) => map.get(name)),
    }));
  const worst = (errors: readonly (number | undefined)[]) => Math.max(...errors.map((error) => error ?? 0));
  const cells = ({ name, errors }: ReturnType<typeof rowsOf>[number]) => [
    name,
    ...errors.map((error) => decimals(error, 5)),
  ];
  const left = measured.flatMap(({ model, layers }) =>
    layers.left.length === 0 ? [] : [` Without counterpart in ${nameOf(model)}: ${layers.left.join(", ")}.`],
  );
  return [
    {
      heading: "Error of the layers' results by kind",
      note: "Means over the blocks.",
      body: renderTable(["layer", ...heads], rowsOf(kinds).map(cells)),
    },
    {
      heading: "Error of the layers' results",
      note: `What of the squares of a layer's results is lost, E‖ŷ − y‖² / E‖y‖², over what the layer reads in the reference; worst first.${left.join("")}`,
      body: renderTable(
        ["layer", ...heads],
        rowsOf(columns)
          .sort((a, b) => worst(b.errors) - worst(a.errors))
          .map(cells),
      ),
    },
  ];
}

function pictureSection({ reference, models }: Comparison, { samples, files }: Drawn): Section {
  const rows = samples.map(({ prompt, seed }, i) => {
    const own: EmbeddedPicture = {
      png: files.reference[i] ?? new Uint8Array(),
      name: `${reference.path}: ${prompt}`,
      caption: "reference",
    };
    const others = models.map((model, m): EmbeddedPicture => {
      const { psnr = Number.NaN, ssim = Number.NaN } = model.drawn?.pictures[i] ?? {};
      const ratio = psnr === Number.POSITIVE_INFINITY ? "equal" : `${psnr.toFixed(1)} dB`;
      return {
        png: files.models[m]?.[i] ?? new Uint8Array(),
        name: `${model.path}: ${prompt}`,
        caption: `${ratio}, SSIM ${ssim.toFixed(3)}`,
      };
    });
    return { text: `${prompt} (seed ${seed})`, pictures: [own, ...others] };
  });
  return {
    heading: "Pictures",
    note: "The same noise and text in each row.",
    body: renderPictures([reference, ...models].map(nameOf), rows),
  };
}
