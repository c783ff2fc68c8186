import { renderTemplate } from "../../templates/render.js";

/** Text as HTML and SVG show it, in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (c) => entities[c] ?? "").replace(/\p{Cc}/gu, " ");
}

/** The colours of the page. */
export type Fill = "full" | "full-soft" | "codes" | "dense" | "small" | "values" | "rest";

export interface Chart {
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly rects: readonly Rect[];
  readonly lines: readonly { readonly points: string; readonly class: "limit" | "axis" | Fill }[];
  readonly texts: readonly ChartText[];
}

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly class: Fill;
  /** Shown on pointing at it. */
  readonly title: string;
}

export interface ChartText {
  readonly x: number;
  readonly y: number;
  readonly anchor: "start" | "middle" | "end";
  readonly class: "plain" | "soft";
  readonly text: string;
}

export function renderChart(chart: Chart): string {
  const { title, width, height, rects, lines, texts } = chart;
  return renderTemplate("html/chart.svg.hbs", {
    title: escapeHtml(title),
    width,
    height,
    rects: rects.map((rect) => ({
      ...rect,
      x: rounded(rect.x),
      y: rounded(rect.y),
      width: rounded(rect.width),
      height: rounded(rect.height),
      title: escapeHtml(rect.title),
    })),
    lines: lines.map((line) => ({ ...line })),
    texts: texts.map((text) => ({
      ...text,
      x: rounded(text.x),
      y: rounded(text.y),
      text: escapeHtml(text.text),
    })),
  });
}

/** A table; columns whose head starts with `#` are numbers. */
export function renderTable(
  heads: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const kinds = heads.map((head) => (head.startsWith("#") ? "number" : "text"));
  return renderTemplate("html/table.html.hbs", {
    heads: heads.map((head, i) => ({ text: escapeHtml(head.replace(/^#/, "")), class: kinds[i] ?? "text" })),
    cells: rows.flatMap((row) =>
      row.map((cell, i) => ({
        text: escapeHtml(String(cell)),
        class: kinds[i] ?? "text",
        first: i === 0,
        last: i === row.length - 1,
      })),
    ),
  });
}

/** A picture of a page, which holds its file. */
export interface EmbeddedPicture {
  readonly png: Uint8Array;
  /** For readers that do not see it. */
  readonly name: string;
  /** Below it. */
  readonly caption: string;
}

/** Rows of pictures, each with what it is of; columns have heads. */
export function renderPictures(
  heads: readonly string[],
  rows: readonly { readonly text: string; readonly pictures: readonly EmbeddedPicture[] }[],
): string {
  return renderTemplate("html/pictures.html.hbs", {
    heads: heads.map((head) => ({ text: escapeHtml(head) })),
    columns: heads.length,
    cells: rows.flatMap(({ text, pictures }) =>
      pictures.map(({ png, name, caption }, i) => ({
        row: escapeHtml(text),
        data: Buffer.from(png).toString("base64"),
        name: escapeHtml(name),
        caption: escapeHtml(caption),
        first: i === 0,
        last: i === pictures.length - 1,
      })),
    ),
  });
}

export interface Section {
  readonly heading: string;
  readonly note: string;
  /** Markup. */
  readonly body: string;
}

export function renderPage(title: string, summary: string, sections: readonly Section[]): string {
  return renderTemplate("html/page.html.hbs", {
    title: escapeHtml(title),
    summary: escapeHtml(summary),
    sections: sections.map(({ heading, note, body }) => ({
      heading: escapeHtml(heading),
      note: escapeHtml(note),
      body,
    })),
  });
}

/** Coordinates with two digits, so that equal reports have equal bytes. */
export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
