import { programError } from "../../program/error.js";
import type { Kernel, KernelArg, Language, ParamRecord, ScalarType } from "../../program/program.js";
import type { Forms } from "../launch/form.js";
import type { FamilyArg } from "./arguments.js";
import { languageOf } from "./language.js";
import type { Counted, Operations } from "./operations.js";
import { type Params, readParams, type ValuesOf, writeParams } from "./params.js";
import type { Size } from "./sizes.js";

/** What a launch passes, the same for every language: arguments in order, then scalars. */
export interface KernelSignature {
  readonly args: readonly KernelArg[];
  readonly scalars: readonly ScalarType[];
}

/** What a family of kernels is told by: all of it follows from the parameters of a kernel. */
interface Definition<S extends Params, F> {
  readonly params: S;
  readonly forms: F;
  args(params: ValuesOf<S>): readonly FamilyArg[];
  /** None if absent. */
  scalars?(params: ValuesOf<S>): readonly ScalarType[];
  /** Columns (or heads, or elements), rows and batch that the grid covers; the rows if absent. */
  grid?(params: ValuesOf<S>): Grid;
  /** The rows that a launch has, where they follow from its scalars or its kernel. */
  rows?(params: ValuesOf<S>): Size;
  /**
   * The scalar with the size of an axis along which a launch may be divided into several, where its rows are no axis of
   * the grid; none if absent. It is a factor of the rows.
   */
  readonly divisible?: number;
  /** Features of WebGPU that every kernel with these parameters needs: who asks for such kernels asks for such devices. */
  assumes?(params: ValuesOf<S>): readonly string[];
  /** Epilogues of matrix products are not counted. */
  operations(params: ValuesOf<S>, launch: Counted): Operations;
}

export type Grid = readonly [Size, Size, Size];

/** What launches of a kernel pass, touch and do. */
export interface Contract {
  readonly args: readonly FamilyArg[];
  readonly scalars: readonly ScalarType[];
  readonly grid: Grid;
  readonly rows: Size;
  /** As the definition has it. */
  readonly divisible?: number;
  operations(launch: Counted): Operations;
}

/** The forms of a family's kernels in each language. */
type LanguageForms<P> = Readonly<Record<Language, Forms<P>>>;

/** A family of kernels with parameters P. */
export interface Family<P, F = LanguageForms<P>> {
  readonly forms: F;
  contract(params: P): Contract;
  signature(params: P): KernelSignature;
  /** As the definition has it; none if it says nothing. */
  assumes(params: P): readonly string[];
  /** The parameters as a kernel's record has them. */
  record(params: P): ParamRecord;
  /** The parameters in a kernel's record. Throws TRITC_E_PROGRAM where one is not what it must be. */
  read(kernel: Pick<Kernel, "id" | "params">): P;
  /** The contract of a kernel by its record alone, with weights in its language's layout. Throws as `read` does. */
  contractOf(kernel: Kernel): Contract;
}

export function defineFamily<const S extends Params, const F extends LanguageForms<ValuesOf<S>>>(
  definition: Definition<S, F>,
): Family<ValuesOf<S>, F> {
  const contract = (params: ValuesOf<S>): Contract => ({
    args: definition.args(params),
    scalars: definition.scalars?.(params) ?? [],
    grid: definition.grid?.(params) ?? [1, "rows", 1],
    rows: definition.rows?.(params) ?? "rows",
    ...(definition.divisible === undefined ? {} : { divisible: definition.divisible }),
    operations: (launch) => definition.operations(params, launch),
  });
  const read = ({ id, params: record }: Pick<Kernel, "id" | "params">): ValuesOf<S> =>
    readParams(definition.params, record, (name, expected) => {
      throw programError(`kernel ${id}`, `the parameter ${name} is not what its family needs`, {
        expected,
        found: Object.hasOwn(record, name) ? JSON.stringify(record[name]) : "nothing",
      });
    });
  return {
    forms: definition.forms,
    contract,
    read,
    assumes: (params) => definition.assumes?.(params) ?? [],
    record: (params) => writeParams(definition.params, params),
    signature: (params) => signatureOf(contract(params)),
    contractOf(kernel) {
      const language = languageOf(kernel);
      const whole = contract(read(kernel));
      const args = whole.args.map((arg) =>
        arg.layout === undefined
          ? arg
          : { ...arg, axes: [{ size: arg.layout.words[language], stride: 1 } as const] },
      );
      return { ...whole, args };
    },
  };
}

export function signatureOf({ args, scalars }: Contract): KernelSignature {
  return { args: args.map(({ name, dtype, access, byRow }) => ({ name, dtype, access, byRow })), scalars };
}
