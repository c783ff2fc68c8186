import type { ManifestKernel } from "../../ir/format/manifest.js";
import { SOURCE_ENDINGS } from "../../targets/source-files.js";
import type { KernelArtifact } from "../codegen/generate-kernels.js";

/** Where a bundle has the source and the binary of a kernel. */
export function kernelFiles({
  id,
  language,
  binary,
  format,
}: KernelArtifact): Pick<ManifestKernel, "source" | "binary"> {
  return {
    source: `kernels/${id}.${SOURCE_ENDINGS[language]}`,
    binary: binary === null ? null : `kernels/${id}.${format}`,
  };
}
