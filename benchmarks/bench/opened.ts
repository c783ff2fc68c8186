import type { Opened, Task } from "./subject.js";

export interface Closing {
  readonly task: Task;
  readonly close?: () => Promise<void>;
}

/** Tasks that are closed together. */
export function closeAll(parts: readonly Closing[]): Opened {
  return {
    tasks: parts.map(({ task }) => task),
    async close() {
      for (const { close } of parts) await close?.();
    },
  };
}
