/** The versions of ONNX's operators that are read. */
export const OLDEST_OPSET = 7;
export const NEWEST_OPSET = 25;

/** They in words, the same in messages and documentation. */
export const OPSETS_READ = `opset ${OLDEST_OPSET} to ${NEWEST_OPSET}`;
