import { expect } from "vitest";

/** Checks that elements close in order, and returns how many there are of each. */
export function elements(html: string): ReadonlyMap<string, number> {
  const open: string[] = [];
  const counts = new Map<string, number>();
  for (const [tag, close, name = "", single] of html.matchAll(/<(\/?)([a-zA-Z][\w-]*)\b[^<>]*?(\/?)>/g)) {
    if (close === "/") expect(open.pop(), tag).toBe(name);
    else {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      if (single !== "/" && name !== "meta") open.push(name);
    }
  }
  expect(open).toEqual([]);
  return counts;
}

/** Checks that a page loads nothing and holds so many pictures, and that no value of it is none. */
export function expectSelfContained(html: string, pictures = 0): void {
  const embedded = /<img src="data:image\/png;base64,[A-Za-z0-9+/]+=*"/g;
  expect(html.match(embedded)?.length ?? 0).toBe(pictures);
  const rest = html.replaceAll(embedded, "");
  expect(rest).not.toMatch(/https?:|<script|<link|<img|<iframe|@import|url\(|\bon\w+=/);
  expect(rest).not.toMatch(/NaN|undefined|\[object/);
  expect(rest).toContain("default-src 'none'");
}
