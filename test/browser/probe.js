// Runs what its address asks for, on a page or in a worker, and posts one safetensors file: the results, and in its
// metadata what happened.
import * as tritc from "/dist/runtime/browser/index.js";

const query = new URLSearchParams(location.search);
const metadata = {
  isolated: String(crossOriginIsolated),
  page: String("document" in globalThis),
  targets: (await tritc.browserTargets()).join(),
};
let tensors = new Map();
try {
  const bundle = await tritc.openBundleUrl(query.get("bundle"));
  metadata.hash = bundle.hash;
  const response = await fetch(query.get("inputs"));
  const inputs = tritc.parseSafetensors(new Uint8Array(await response.arrayBuffer()));
  const device = await tritc.openBrowserDevice(bundle.program.target, {
    threads: Number(query.get("threads") ?? 3),
  });
  metadata.device = device.description;
  const loaded = await device.load(bundle.program, bundle.code, bundle.weights);
  tensors = await tritc.evaluateBundle(loaded, bundle.program, inputs);
  if (query.has("sample")) {
    const { context, contextTokens, pooled, size, seed, steps } = JSON.parse(query.get("sample"));
    const geometry = tritc.latentGeometry(size, size);
    const config = tritc.readSchedulerConfig({ use_dynamic_shifting: true });
    const data = await tritc.sample(loaded, bundle.program, {
      geometry,
      schedule: tritc.makeSchedule(config, { steps, imageTokens: geometry.imageTokens }),
      latents: tritc.initialLatents(seed, geometry),
      context: inputs.get(context).data,
      contextTokens,
      pooled: inputs.get(pooled).data,
      guidance: 3.5,
      onStep: ({ step }) => (metadata.steps = String(step)),
    });
    tensors.set("sampled", { dtype: "f32", shape: [data.length], data });
  }
  await loaded.close();
  await device.close();
} catch (error) {
  metadata.error = String(error.stack ?? error);
  metadata.code = String(error.code);
}
await fetch("/report", { method: "POST", body: tritc.serializeSafetensors(tensors, metadata) });
