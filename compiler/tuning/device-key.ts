import { cpus } from "node:os";
import type { Target } from "../../targets/index.js";

/** What records call a device: its driver's name of it, and of WebAssembly the processor too. */
export function deviceKey({ language }: Pick<Target, "language">, description: string): string {
  return language === "wat" ? `${description}, ${cpus()[0]?.model ?? "unknown processor"}` : description;
}
