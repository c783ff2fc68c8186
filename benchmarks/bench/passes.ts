import { readFile } from "node:fs/promises";
import onnxProto from "onnx-proto";
import { InferenceSession } from "onnxruntime-node";
import { planGraph } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import type { Pass, PassContext } from "../../compiler/pass.js";
import { BACK_PASSES } from "../../compiler/passes/index.js";
import { batchAxesOf, recognize } from "../../compiler/recognize/recognition.js";
import type { Graph } from "../../ir/graph/graph.js";
import { cpu } from "../../targets/index.js";
import { modelPath, tinyGraph } from "./models.js";
import type { Subject } from "./subject.js";

const SHAPES = ["shapes-ternary", "transformer", "model.onnx"] as const;
const OPTIONS = { ternarize: "exact", activations: "int8" } as const;
const SIZES = { img_tokens: 4096, txt_tokens: 512, steps: 50 } as const;

/** Passes read no weights of such graphs. */
const UNREAD = { read: () => new Uint8Array() };

/** From a file to a program, beside what ONNX Runtime and protobuf.js take for the same file. */
const IMPORT: Subject = {
  name: "passes/from file to program (shapes model)",
  async open({ threads }) {
    const file = await modelPath(...SHAPES);
    const reader = fileReader();
    const imported = importOnnx(file);
    const recognized = recognize(imported, reader);
    const batchAxes = batchAxesOf(imported, recognized);
    const options = { executionProviders: ["cpu"], intraOpNumThreads: threads, logSeverityLevel: 3 } as const;
    const plan = (graph: Graph) =>
      planGraph(graph, reader, { target: cpu, options: OPTIONS, sizes: SIZES, planned: [SIZES], batchAxes });
    return {
      tasks: [
        {
          name: "ONNX Runtime, opening a session",
          isPeer: true,
          run: async () => (await InferenceSession.create(file, options)).release(),
        },
        {
          name: "protobuf.js, decoding alone",
          isPeer: true,
          run: async () => onnxProto.onnx.ModelProto.decode(await readFile(file)),
        },
        { name: "import", run: () => importOnnx(file) },
        { name: "recognize", run: () => recognize(imported, reader) },
        { name: "plan for cpu, int8", run: () => plan(recognized) },
      ],
      async close() {
        reader.close();
      },
    };
  },
};

/** Each pass behind recognition by itself, on the graph that the passes before it leave. */
const BACK: Subject = {
  name: "passes/behind recognition (tiny graph)",
  async open() {
    const { limits } = cpu;
    const context: PassContext = {
      reader: UNREAD,
      options: { ...OPTIONS, bindings: {}, sizes: SIZES, limits, fuseHeads: true },
    };
    let graph = tinyGraph();
    const taskOf = (pass: Pass) => {
      const before = graph;
      graph = pass.run(before, context);
      return { name: pass.name, run: () => pass.run(before, context) };
    };
    const tasks = BACK_PASSES.map(taskOf);
    const all = () => BACK_PASSES.reduce((current, pass) => pass.run(current, context), tinyGraph());
    return { tasks: [...tasks, { name: "all of them, with the graph", run: all }] };
  },
};

export const PASSES: readonly Subject[] = [IMPORT, BACK];
