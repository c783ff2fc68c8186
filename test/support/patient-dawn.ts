/**
 * Dawn asks the driver for what is done on every turn of the event loop, by `setImmediate` with a native function: a
 * processor that the software adapter's threads want. Here it asks once a millisecond.
 */
const immediately = globalThis.setImmediate;
const isNative = (callback: unknown) => /\{\s*\[native code\]\s*\}$/.test(String(callback));

globalThis.setImmediate = Object.assign(
  (callback: () => void, ...args: []) =>
    isNative(callback) ? setTimeout(callback, 1) : immediately(callback, ...args),
  immediately,
) as typeof setImmediate;
