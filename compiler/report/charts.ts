import type { Moment } from "../account/timeline.js";
import { formatBytes } from "../units.js";
import { type Chart, type ChartText, type Fill, type Rect, rounded } from "./markup.js";

/** One bar of a chart, of parts side by side. */
export interface Bar {
  readonly name: string;
  readonly parts: readonly { readonly name: string; readonly bytes: number; readonly fill: Fill }[];
  /** Behind the bar. */
  readonly note: string;
}

const WIDTH = 960;
const LEFT = 210;
const RIGHT = 210;
const ROW = 26;

/** Horizontal bars in bytes, with a dashed line at `limit` where there is one. */
export function barChart(title: string, bars: readonly Bar[], limit: number | null): Chart {
  const length = ({ parts }: Bar) => parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const most = Math.max(1, ...bars.map(length));
  const scale = (WIDTH - LEFT - RIGHT) / most;
  const rects: Rect[] = [];
  const texts: ChartText[] = [];
  for (const [i, bar] of bars.entries()) {
    const y = 6 + i * ROW;
    texts.push({ x: LEFT - 8, y: y + 15, anchor: "end", class: "plain", text: bar.name });
    let x = LEFT;
    for (const { name, bytes, fill } of bar.parts) {
      const title = `${name}: ${formatBytes(bytes)}`;
      rects.push({ x, y, width: bytes * scale, height: ROW - 7, class: fill, title });
      x += bytes * scale;
    }
    const note = `${formatBytes(length(bar))}${bar.note === "" ? "" : `, ${bar.note}`}`;
    texts.push({ x: x + 8, y: y + 15, anchor: "start", class: "soft", text: note });
  }
  const bottom = 6 + bars.length * ROW;
  const legend = new Map(bars.flatMap(({ parts }) => parts.map(({ name, fill }) => [name, fill] as const)));
  let x = LEFT;
  for (const [name, fill] of legend) {
    rects.push({ x, y: bottom + 6, width: 10, height: 10, class: fill, title: name });
    texts.push({ x: x + 15, y: bottom + 15, anchor: "start", class: "soft", text: name });
    x += 40 + 7 * name.length;
  }
  const lines: Chart["lines"][number][] = [];
  if (limit !== null && limit <= most) {
    const at = rounded(LEFT + limit * scale);
    lines.push({ points: `${at},0 ${at},${bottom}`, class: "limit" });
  }
  return { title, width: WIDTH, height: bottom + 24, rects, lines, texts };
}

const PLOT = 240;
const MARGIN = 80;

/** Live activations over the launches of a step, and what is allocated for them. */
export function timelineChart(title: string, moments: readonly Moment[], allocated: number): Chart {
  const most = Math.max(1, allocated, ...moments.map((m) => m.inputs + m.hoisted + m.values));
  const [across, up] = [(WIDTH - MARGIN - 20) / Math.max(1, moments.length), PLOT / most];
  const rects = moments.flatMap((moment, i) => {
    let y = PLOT + 10;
    const x = MARGIN + i * across;
    const held = moment.holders.slice(0, 3).map(({ buffer, bytes }) => `${buffer} ${formatBytes(bytes)}`);
    const about = `${i}: ${moment.label}; ${held.join(", ")}`;
    const parts: readonly (readonly [number, Fill])[] = [
      [moment.inputs, "small"],
      [moment.hoisted, "dense"],
      [moment.values, "values"],
    ];
    return parts.map(([bytes, fill]): Rect => {
      y -= bytes * up;
      return { x, y, width: across, height: bytes * up, class: fill, title: about };
    });
  });
  const top = rounded(PLOT + 10 - allocated * up);
  const right = WIDTH - 20;
  const key = ["inputs", "computed once per prompt", "values of the step"];
  return {
    title,
    width: WIDTH,
    height: PLOT + 60,
    rects: [
      ...rects,
      ...key.map((name, i): Rect => {
        const fill = (["small", "dense", "values"] as const)[i] ?? "values";
        return { x: MARGIN + 220 * i, y: PLOT + 36, width: 10, height: 10, class: fill, title: name };
      }),
    ],
    lines: [
      { points: `${MARGIN},10 ${MARGIN},${PLOT + 10} ${right},${PLOT + 10}`, class: "axis" },
      { points: `${MARGIN},${top} ${right},${top}`, class: "limit" },
    ],
    texts: [
      { x: MARGIN - 8, y: top + 4, anchor: "end", class: "soft", text: formatBytes(allocated) },
      { x: MARGIN - 8, y: PLOT + 14, anchor: "end", class: "soft", text: "0" },
      { x: MARGIN, y: PLOT + 28, anchor: "start", class: "soft", text: "first launch of a step" },
      { x: right, y: PLOT + 28, anchor: "end", class: "soft", text: `last of ${moments.length}` },
      ...key.map(
        (text, i): ChartText => ({
          x: MARGIN + 220 * i + 15,
          y: PLOT + 45,
          anchor: "start",
          class: "soft",
          text,
        }),
      ),
    ],
  };
}
