import { CAPTURE_THREAD_LOCAL } from "./api.js";
import type { CudaDriver } from "./driver.js";

/** What a stream was told to do, to be done again in one call. */
export class CapturedGraph {
  private constructor(
    private readonly driver: CudaDriver,
    private readonly executable: bigint,
    private readonly what: string,
  ) {}

  /** Records what `work` puts into the stream, which does not run it. */
  static capture(driver: CudaDriver, stream: bigint, what: string, work: () => void): CapturedGraph {
    const graph = new BigUint64Array(1);
    driver.call(what, "cuStreamBeginCapture_v2", stream, CAPTURE_THREAD_LOCAL);
    try {
      work();
    } catch (error) {
      driver.result("cuStreamEndCapture", stream, graph);
      destroyGraph(driver, graph[0] ?? 0n);
      throw error;
    }
    driver.call(what, "cuStreamEndCapture", stream, graph);
    const handle = graph[0] ?? 0n;
    try {
      const executable = new BigUint64Array(1);
      driver.call(what, "cuGraphInstantiateWithFlags", executable, handle, 0n);
      return new CapturedGraph(driver, executable[0] ?? 0n, what);
    } finally {
      destroyGraph(driver, handle);
    }
  }

  launch(stream: bigint): void {
    this.driver.call(this.what, "cuGraphLaunch", this.executable, stream);
  }

  destroy(): void {
    this.driver.result("cuGraphExecDestroy", this.executable);
  }
}

function destroyGraph(driver: CudaDriver, graph: bigint): void {
  if (graph !== 0n) driver.result("cuGraphDestroy", graph);
}
