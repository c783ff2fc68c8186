import { type Chart, type ChartText, type Fill, type Rect, rounded } from "./markup.js";

/** Numbers over steps. */
export interface Line {
  readonly name: string;
  readonly values: readonly number[];
}

const [WIDTH, PLOT, LEFT, RIGHT, TOP] = [960, 240, 80, 20, 10];
const LEGEND_ROW = 18;
const FILLS: readonly Fill[] = ["codes", "dense", "values", "rest", "small", "full"];

/** The colour of the i-th of several things. */
export function fillOf(i: number): Fill {
  return FILLS[i % FILLS.length] ?? "full";
}

/** Lines from step 1 to the last, over zero. */
export function lineChart(title: string, lines: readonly Line[]): Chart {
  const most = Math.max(...lines.flatMap(({ values }) => values)) || 1;
  const steps = Math.max(1, ...lines.map(({ values }) => values.length));
  const across = (WIDTH - LEFT - RIGHT) / Math.max(1, steps - 1);
  const at = (value: number, step: number) => ({
    x: LEFT + step * across,
    y: TOP + PLOT * (1 - value / most),
  });
  const rects: Rect[] = [];
  const texts: ChartText[] = [
    { x: LEFT - 8, y: TOP + 12, anchor: "end", class: "soft", text: most.toPrecision(3) },
    { x: LEFT - 8, y: TOP + PLOT, anchor: "end", class: "soft", text: "0" },
    { x: LEFT, y: TOP + PLOT + 18, anchor: "start", class: "soft", text: "step 1" },
    { x: WIDTH - RIGHT, y: TOP + PLOT + 18, anchor: "end", class: "soft", text: `step ${steps}` },
  ];
  const bottom = TOP + PLOT;
  const axis = `${LEFT},${TOP} ${LEFT},${bottom} ${WIDTH - RIGHT},${bottom}`;
  const drawn: Chart["lines"][number][] = [{ points: axis, class: "axis" }];
  for (const [i, { name, values }] of lines.entries()) {
    const fill = fillOf(i);
    const points = values.map(at);
    drawn.push({ points: points.map(({ x, y }) => `${rounded(x)},${rounded(y)}`).join(" "), class: fill });
    for (const [step, { x, y }] of points.entries()) {
      const about = `${name}, step ${step + 1}: ${values[step]?.toPrecision(3)}`;
      rects.push({ x: x - 3, y: y - 3, width: 6, height: 6, class: fill, title: about });
    }
    const y = bottom + 40 + i * LEGEND_ROW;
    rects.push({ x: LEFT, y: y - 9, width: 10, height: 10, class: fill, title: name });
    texts.push({ x: LEFT + 15, y, anchor: "start", class: "plain", text: name });
  }
  return { title, width: WIDTH, height: bottom + 36 + lines.length * LEGEND_ROW, rects, lines: drawn, texts };
}
