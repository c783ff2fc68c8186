import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, posix, relative, sep } from "node:path";

const PACKAGE = "onnx-proto";

/**
 * Takes onnx-proto, one generated file, along in `dist/vendor`, so that an installation decodes ONNX with the protobufjs
 * that the tests run with. As a dependency it would bring an old major version of protobufjs, with an install script.
 */
export async function vendorOnnxProto(dist: string): Promise<void> {
  const code = createRequire(import.meta.url).resolve(PACKAGE);
  const folder = join(dist, "vendor", PACKAGE);
  await mkdir(folder, { recursive: true });
  await copyFile(code, join(folder, "onnx.cjs"));
  await copyFile(code.replace(/\.js$/, ".d.ts"), join(folder, "onnx.d.cts"));
  await copyFile(join(dirname(code), "../LICENSE"), join(folder, "LICENSE"));
  for (const file of await readdir(join(dist, "compiler"), { recursive: true })) {
    if (!/\.(js|d\.ts)$/.test(file)) continue;
    const path = join(dist, "compiler", file);
    const text = await readFile(path, "utf8");
    if (!text.includes(`"${PACKAGE}"`)) continue;
    const specifier = relative(dirname(path), join(folder, "onnx.cjs")).split(sep).join(posix.sep);
    await writeFile(path, text.replaceAll(`"${PACKAGE}"`, `"${specifier}"`));
  }
}
