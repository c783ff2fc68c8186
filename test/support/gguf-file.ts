/** A tensor of a GGUF file to be written. */
export interface GgufTensor {
  readonly name: string;
  /** ggml's number of its kind. */
  readonly kind: number;
  /** Outermost axis first. */
  readonly shape: readonly (number | bigint)[];
  readonly bytes: Uint8Array;
  /** Where its data are said to be; where they are if absent. */
  readonly offset?: number | bigint;
}

/** A value of a header with the format's number of its type. */
export type GgufField = readonly [key: string, type: number, value: Uint8Array];

export interface GgufParts {
  readonly tensors: readonly GgufTensor[];
  readonly fields?: readonly GgufField[];
  readonly version?: number;
  readonly alignment?: number;
  /** Numbers of tensors and keys that the header claims. */
  readonly counts?: readonly [tensors: bigint, keys: bigint];
  /** Whether zeros follow the last tensor, up to the alignment. */
  readonly padded?: boolean;
}

export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

export function u64(value: number | bigint): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
}

export function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

export const u32Field = (key: string, value: number): GgufField => [key, 4, u32(value)];
export const u16Field = (key: string, value: number): GgufField => [
  key,
  2,
  new Uint8Array(Uint16Array.of(value).buffer),
];
export const textField = (key: string, value: string): GgufField => [key, 8, text(value)];

/** A GGUF file as the format has it. */
export function ggufFile({
  tensors,
  alignment = 32,
  padded = true,
  version = 3,
  ...rest
}: GgufParts): Uint8Array {
  const fields = [
    ...(rest.fields ?? [textField("general.architecture", "flux")]),
    ...(alignment === 32 ? [] : [u32Field("general.alignment", alignment)]),
  ];
  const [tensorCount, keyCount] = rest.counts ?? [BigInt(tensors.length), BigInt(fields.length)];
  const pieces: Uint8Array[] = [Buffer.from("GGUF"), u32(version), u64(tensorCount), u64(keyCount)];
  for (const [key, type, value] of fields) pieces.push(text(key), u32(type), value);
  const padding = (length: number) => new Uint8Array((alignment - (length % alignment)) % alignment);
  const data: Uint8Array[] = [];
  let at = 0;
  for (const { name, kind, shape, bytes, offset } of tensors) {
    const dimensions = [...shape].reverse().map(u64);
    pieces.push(text(name), u32(shape.length), ...dimensions, u32(kind), u64(offset ?? at));
    const isLast = data.length === 2 * (tensors.length - 1);
    data.push(bytes, isLast && !padded ? new Uint8Array() : padding(bytes.length));
    at += bytes.length + padding(bytes.length).length;
  }
  const header = Buffer.concat(pieces);
  return Buffer.concat([header, padding(header.length), ...data]);
}
