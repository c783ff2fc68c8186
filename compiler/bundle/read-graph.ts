import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { checkGraphAgreement } from "../../ir/format/bundle-agreement.js";
import { GRAPH_FILE, WEIGHTS_FILE } from "../../ir/format/manifest.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { type FileReader, fileReader } from "../file-reader.js";
import { ListedFiles } from "./listed-files.js";

/**
 * The graph that a bundle's kernels compute, as the manifest lists it. Its constants are read from the bundle's
 * weight file and nothing else, whatever the graph's text says.
 */
export async function readBundleGraph(
  folder: string,
  listed = new ListedFiles(folder),
): Promise<{ readonly graph: Graph; readonly reader: FileReader }> {
  const path = join(folder, GRAPH_FILE);
  const graph = parseGraph(listed.text(GRAPH_FILE), path);
  checkGraphAgreement(listed.manifest, graph, folder);
  verifyGraph(graph);
  await listed.check([WEIGHTS_FILE]);
  const files = fileReader();
  const reader: FileReader = {
    read(file, offset, length) {
      if (file === WEIGHTS_FILE) return files.read(join(folder, WEIGHTS_FILE), offset, length);
      throw new TritcError({
        code: "TRITC_E_BUNDLE_FORMAT",
        message: "the graph reads a file that is not the bundle's",
        place: path,
        expected: WEIGHTS_FILE,
        found: file,
        remedy: "compile the model again",
      });
    },
    close: () => files.close(),
  };
  return { graph, reader };
}
