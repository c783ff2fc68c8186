import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { formatBytes } from "../../units.js";
import { cudaDevices, cudaToolkits } from "../cuda-findings.js";
import { type Finding, missing } from "../finding.js";
import type { CommonOptions } from "../options.js";
import { Terminal, table } from "../terminal.js";

export async function findWhatRuns(options: CommonOptions): Promise<void> {
  const findings = [
    node(),
    processor(),
    await webAssembly(),
    await webGpu(),
    ...(await cudaDevices()),
    ...(await cudaToolkits()),
    await onnxRuntime(),
  ];
  const rows = findings.map((f) => [
    f.ok ? "ok" : "--",
    f.name,
    f.remedy ? `${f.detail} (${f.remedy})` : f.detail,
  ]);
  new Terminal(options).result(findings, table(rows));
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const ok = major > 20 || (major === 20 && minor >= 11);
  const detail = `${process.version} ${process.platform}-${process.arch}`;
  return { name: "Node.js", ok, detail, ...(ok ? {} : { remedy: "install Node.js 20.11 or newer" }) };
}

function processor(): Finding {
  const memory = `${formatBytes(totalmem())} memory, ${formatBytes(freemem())} free`;
  return {
    name: "processor",
    ok: true,
    detail: `${cpus()[0]?.model.trim() ?? "?"}, ${availableParallelism()} threads, ${memory}`,
  };
}

async function webAssembly(): Promise<Finding> {
  const { createNodeCpuDevice } = await import("../../../runtime/node/cpu.js");
  const device = await createNodeCpuDevice({});
  const detail = device.description;
  await device.close();
  return { name: "target cpu", ok: true, detail };
}

async function webGpu(): Promise<Finding> {
  try {
    const { openAdapter } = await import("../../../runtime/node/webgpu.js");
    const { info, adapter, release } = await openAdapter();
    const features = [...adapter.features]
      .filter((f) => /f16|subgroups|subgroup-matrix|timestamp/.test(f))
      .join(", ");
    release();
    const kind = info.software ? "software adapter: right for checks, slow" : "GPU";
    return {
      name: "target webgpu",
      ok: true,
      detail: `${info.description || info.device} (${kind}); ${features}`,
    };
  } catch (error) {
    return missing("target webgpu", error);
  }
}

async function onnxRuntime(): Promise<Finding> {
  const name = "ONNX Runtime (text encoders, VAE)";
  try {
    const { importOptional } = await import("../../../runtime/node/optional-package.js");
    const ort = await importOptional("onnxruntime-node", () => import("onnxruntime-node"));
    const backends = ort.listSupportedBackends().map((b) => b.name);
    return { name, ok: true, detail: backends.join(", ") };
  } catch (error) {
    return missing(name, error);
  }
}
