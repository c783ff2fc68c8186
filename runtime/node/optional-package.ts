import { TritcError } from "../../ir/errors.js";

/** Native packages that tritc uses where they are installed: optional peers, with the ranges of package.json. */
export const OPTIONAL_PACKAGES = {
  koffi: { range: "3.x", use: "calls the CUDA driver" },
  "onnxruntime-node": { range: "1.30.x", use: "runs the text encoders and the VAE, and trains" },
  webgpu: { range: "0.6.x", use: "is WebGPU for Node" },
} as const;

export type OptionalPackage = keyof typeof OPTIONAL_PACKAGES;

/**
 * What installs a package in a version that tritc works with, and others beside it. They hold their binaries; of their
 * install scripts, that of ONNX Runtime downloads GPU libraries that tritc does not use, and fails where it cannot.
 */
export function installCommand(name: OptionalPackage, ...others: readonly string[]): string {
  return ["npm install --ignore-scripts", `${name}@${OPTIONAL_PACKAGES[name].range}`, ...others].join(" ");
}

/**
 * A package's module, from a call like `() => import("koffi")`: the specifier stays where bundlers and readers see it.
 *
 * @throws TritcError `TRITC_E_PACKAGE` if the package is not installed or cannot be loaded
 */
export function importOptional<T>(name: OptionalPackage, load: () => Promise<T>): Promise<T> {
  const { range, use } = OPTIONAL_PACKAGES[name];
  return load().catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const missing = [`Cannot find package '${name}'`, `Cannot find module '${name}'`].some((text) =>
      reason.includes(text),
    );
    throw new TritcError({
      code: "TRITC_E_PACKAGE",
      message: `the package ${name}, which ${use}, ${missing ? "is not installed" : "cannot be loaded"}`,
      expected: `${name} ${range}`,
      ...(missing ? {} : { found: reason }),
      remedy: installCommand(name),
      cause,
    });
  });
}
