import { TritcError } from "../ir/errors.js";
import type { Device, LoadedProgram } from "./device.js";
import { closedError, Turns } from "./turns.js";

/** How a device does its work, one call at a time; `P` is what it makes of a program. */
export interface DeviceWork<P extends LoadedProgram> extends Device {
  load(...args: Parameters<Device["load"]>): Promise<P>;
}

/**
 * A device that may be called at any time: calls of all its programs take turns, in order of arrival. Its `close` waits
 * for them and closes programs that are still open. `more` adds what kinds of program have in addition.
 */
export function oneAtATime<P extends LoadedProgram, M extends object = object>(
  device: DeviceWork<P>,
  more: (program: P, turns: Turns) => M = () => ({}) as M,
): Device & { load(...args: Parameters<Device["load"]>): Promise<LoadedProgram & M> } {
  const turns = new Turns("device");
  const open = new Set<P>();
  return {
    kind: device.kind,
    description: device.description,
    has: (feature) => device.has(feature),
    load: (...args) =>
      turns.take(async () => {
        const program = await device.load(...args);
        open.add(program);
        return { ...programInTurn(program, turns, () => open.delete(program)), ...more(program, turns) };
      }),
    close: () =>
      turns.close(async () => {
        for (const program of open) await program.close();
        await device.close();
      }),
  };
}

function programInTurn(program: LoadedProgram, device: Turns, onClose: () => void): LoadedProgram {
  let pending = 0;
  let closing: Promise<void> | undefined;
  const refuseClosed = () => {
    if (closing !== undefined) throw closedError("program");
  };
  const take = async <T>(work: () => Promise<T>): Promise<T> => {
    refuseClosed();
    pending += 1;
    try {
      return await device.take(work);
    } finally {
      pending -= 1;
    }
  };
  const close = async () => {
    // A device that closes takes its programs along.
    if (device.isClosed) return;
    onClose();
    await device.take(() => program.close());
  };
  return {
    bind: (bindings, form) => take(() => program.bind(bindings, form)),
    write(buffer, data) {
      refuseClosed();
      device.throwIfClosed();
      // It would change what a run that waits or works reads.
      if (pending > 0) throw busy(buffer);
      program.write(buffer, data);
    },
    run: (phases, step) => take(() => program.run(phases, step)),
    read: (buffer) => take(() => program.read(buffer)),
    memoryBytes: () => program.memoryBytes(),
    peakMemoryBytes: () => program.peakMemoryBytes(),
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function busy(buffer: string): TritcError {
  return new TritcError({
    code: "TRITC_E_BUSY",
    message: "a buffer cannot be written while its program is at work",
    place: buffer,
    remedy: "await the calls before it; evaluateBundle and sample take turns by themselves",
  });
}
