/**
 * The linears of a transformer of double and single blocks by the names of an implementation. A
 * module holds the rows of one or several linears; `roles` names them in the order of their rows, as
 * `describe-model` does (`double.3.img.q`), except that the two halves of the last modulation, which the
 * implementations have in opposite order, are `norm_out.scale` and `norm_out.shift`.
 */
export interface FluxModule {
  readonly name: string;
  readonly roles: readonly string[];
}

/** The RMSNorm weights of queries and keys, by tensor name. */
export interface FluxVector {
  readonly name: string;
  readonly role: string;
}

export interface FluxNames {
  readonly modules: readonly FluxModule[];
  readonly vectors: readonly FluxVector[];
}

export interface BlockCounts {
  readonly doubleBlocks: number;
  readonly singleBlocks: number;
}

export type Leaves = Readonly<Record<string, readonly string[]>>;

/** How an implementation calls its modules and vectors. */
export interface Spelling {
  readonly double: readonly [folder: string, leaves: Leaves];
  readonly single: readonly [folder: string, leaves: Leaves];
  readonly ends: Leaves;
  readonly doubleVectors: Readonly<Record<string, string>>;
  readonly singleVectors: Readonly<Record<string, string>>;
}

export function spelledNames({ doubleBlocks, singleBlocks }: BlockCounts, spelling: Spelling): FluxNames {
  const modules: FluxModule[] = Object.entries(spelling.ends).map(([name, roles]) => ({ name, roles }));
  const vectors: FluxVector[] = [];
  const block = (
    [folder, leaves]: Spelling["double"],
    kind: string,
    i: number,
    norms: Readonly<Record<string, string>>,
  ) => {
    for (const [name, roles] of Object.entries(leaves)) {
      modules.push({ name: `${folder}.${i}.${name}`, roles: roles.map((role) => `${kind}.${i}.${role}`) });
    }
    for (const [name, role] of Object.entries(norms)) {
      vectors.push({ name: `${folder}.${i}.${name}`, role: `${kind}.${i}.${role}` });
    }
  };
  for (let i = 0; i < doubleBlocks; i++) block(spelling.double, "double", i, spelling.doubleVectors);
  for (let i = 0; i < singleBlocks; i++) block(spelling.single, "single", i, spelling.singleVectors);
  return { modules, vectors };
}
