import type { Language } from "../ir/program/program.js";

/** What the names of files with kernels' sources end in, and those of their templates before `.hbs`. */
export const SOURCE_ENDINGS: Readonly<Record<Language, string>> = { wat: "wat", wgsl: "wgsl", cuda: "cu" };
