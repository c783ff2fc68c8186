/** What README and docs tell people to type, typed: in a folder with the package installed, in the order printed. */
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodePng } from "../../runtime/node/png.js";
import { installPackage } from "./install.js";
import { blocksOf } from "./markdown.js";

const ROOT = join(import.meta.dirname, "../..");
const PAGES = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
const app = realpathSync(mkdtempSync(join(tmpdir(), "tritc-docs-")));
const run = (file: string, ...argv: readonly string[]) =>
  execa(file, argv, { cwd: app, reject: false, all: true });
const read = (page: string) => blocksOf(readFileSync(join(ROOT, page), "utf8"));

beforeAll(() => installPackage(app, { beside: ["onnxruntime-node"] }), 120_000);
afterAll(() => rmSync(app, { recursive: true }));

/**
 * `npx` looks for a second before it starts what is installed: it does so for the README's first command, and for the
 * others the program is started at once. What is not installed is not found.
 */
const NPX = `npx() {
  if [ "$2" = sample-model ]; then command npx "$@"; else "node_modules/.bin/$1" "\${@:2}"; fi
}
`;

/** Runs the blocks of a page one after another. */
async function follow(page: string): Promise<number> {
  const blocks = read(page).filter(({ runs }) => runs);
  for (const { kind, text } of blocks) {
    if (kind === "js") writeFileSync(join(app, "block.mjs"), text);
    const { exitCode, all } = await (kind === "js"
      ? run("node", "block.mjs")
      : run("bash", "-euo", "pipefail", "-c", NPX + text));
    expect(exitCode, `${page}:\n${text}\n${all}`).toBe(0);
  }
  return blocks.length;
}

const pictureOf = (file: string) => {
  const { width, height } = decodePng(readFileSync(join(app, file)));
  return `${width}x${height}`;
};

describe("README.md", () => {
  it("runs as it is printed, and draws", { timeout: 240_000 }, async () => {
    expect(await follow("README.md")).toBeGreaterThanOrEqual(2);
    expect(pictureOf("circle.png")).toBe("64x64");
  });
});

// They go on where the README ends.
describe("docs", () => {
  it.each(PAGES)("%s runs as it is printed", { timeout: 240_000 }, async (page) => {
    await follow(join("docs", page));
  });

  it("has pages with commands", () => {
    expect(
      PAGES.flatMap((page) => read(join("docs", page)).filter(({ runs }) => runs)).length,
    ).toBeGreaterThan(3);
  });
});

describe("docs/examples", () => {
  const install = (name: string) => cpSync(join(ROOT, "docs/examples", name), join(app, name));

  it("draw.mjs compiles and draws", { timeout: 120_000 }, async () => {
    install("draw.mjs");
    const { exitCode, all } = await run("node", "draw.mjs", "shapes", "a photo of a ring", "ring.png");
    expect(exitCode, all).toBe(0);
    expect(pictureOf("ring.png")).toBe("64x64");
    const failed = await run("node", "draw.mjs", "no-model", "a photo of a ring", "none.png");
    expect([failed.exitCode, existsSync(join(app, "none.png"))]).toEqual([1, false]);
    expect(failed.all).toContain("no-model");
  });

  it("serve.mjs answers with pictures, the same as the command line's", { timeout: 120_000 }, async () => {
    install("serve.mjs");
    const server = execa("node", ["serve.mjs", "bundle", "0"], { cwd: app });
    try {
      const [line] = (await once(server.stdout, "data")) as [Buffer];
      const response = await fetch(`${line.toString().trim()}/?prompt=a+photo+of+a+red+circle&seed=7`);
      expect([response.status, response.headers.get("content-type")]).toEqual([200, "image/png"]);
      const drawn = decodePng(new Uint8Array(await response.arrayBuffer()));
      expect(drawn.rgb).toEqual(decodePng(readFileSync(join(app, "circle.png"))).rgb);
    } finally {
      server.kill();
    }
    expect((await server).exitCode).toBe(0);
  });
});
