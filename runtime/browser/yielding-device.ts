import type { Device, LoadedProgram } from "../device.js";

/** A device that works on the page's own thread, with a pause after each run in which the page can draw and react. */
export function yieldingDevice(device: Device): Device {
  return {
    kind: device.kind,
    description: device.description,
    has: (feature) => device.has(feature),
    load: async (...args) => yielding(await device.load(...args)),
    close: () => device.close(),
  };
}

function yielding(loaded: LoadedProgram): LoadedProgram {
  return {
    bind: (bindings, form) => loaded.bind(bindings, form),
    write: (buffer, data) => loaded.write(buffer, data),
    async run(phases, step) {
      await loaded.run(phases, step);
      await nextTask();
    },
    read: (buffer) => loaded.read(buffer),
    memoryBytes: () => loaded.memoryBytes(),
    peakMemoryBytes: () => loaded.peakMemoryBytes(),
    close: () => loaded.close(),
  };
}

/** A new task; unlike a timer's it is not held back on hidden pages. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
