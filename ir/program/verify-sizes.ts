import { type Bindings, type Dim, evaluateDim, symbolsOf } from "../dim.js";
import type { FamilyArg } from "../families/contract/arguments.js";
import { axesOf, type LaunchNumbers } from "../families/contract/axes.js";
import type { Contract } from "../families/contract/family.js";
import { sizeOf } from "../families/contract/sizes.js";
import { contractOf } from "../families/index.js";
import { STEPS } from "../graph/graph.js";
import { programError } from "./error.js";
import type { Kernel, KernelArg, Launch, Phase, Program, ProgramBuffer, ProgramPort } from "./program.js";
import { extentOf, type Region, type RegionAxis, WrittenElements } from "./region.js";

const WORDS = 2 ** 32;
const TILES = 2 ** 31;

/**
 * Checks a well-formed program (see `verifyProgram`) at the sizes of one run, before memory is allocated for it.
 * On a device with one address space this is what keeps launches inside their buffers. Throws TRITC_E_PROGRAM:
 *
 *  - every dimension is a whole number, not negative
 *  - an input fills its buffer, and so does an output
 *  - a launch covers the rows and columns of its arguments, no more
 *  - every element that a launch reads was written: it belongs to a weight or an input, or an earlier launch covered it;
 *    so was every element of an output. Weights are read in the layout that `load` gave them
 *  - from the offset on, at the last step, what a launch touches of an argument lies inside the buffer;
 *    i8 rows start at whole words
 *  - rows of an argument do not overlap
 *  - the words of a launch and the number of its tiles fit into 32 and 31 bits
 */
export function verifyProgramSizes(program: Program, bindings: Bindings): void {
  new SizeCheck(program, bindings).run(true);
}

/**
 * As `verifyProgramSizes` without the last invariant, for sizes that no run may ever have. False, and nothing is
 * checked, where a buffer would have less than no elements: the graph does not exist at such sizes.
 */
export function verifySampleSizes(program: Program, sample: Bindings): boolean {
  const check = new SizeCheck(program, sample);
  if (program.buffers.some((buffer) => check.value(buffer.elements) < 0)) return false;
  check.run(false);
  return true;
}

class SizeCheck {
  /** Few different dimensions occur in many launches. */
  readonly #values = new Map<string, number>();
  readonly #contracts = new Map<Kernel, Contract | undefined>();
  readonly #buffers: ReadonlyMap<string, ProgramBuffer>;
  readonly #kernels: ReadonlyMap<string, Kernel>;
  readonly #steps: number;
  /** What was written of each buffer so far; weights and inputs from the start. */
  readonly #written = new Map<string, WrittenElements>();
  /** The layouts of resident buffers. */
  readonly #layouts = new Map<string, string>();
  /** What is being checked; text only when there is something to say about it. */
  #place: () => string = () => "program";

  constructor(
    private readonly program: Program,
    private readonly bindings: Bindings,
  ) {
    this.#buffers = new Map(program.buffers.map((buffer) => [buffer.id, buffer]));
    this.#kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
    this.#steps = Object.hasOwn(bindings, STEPS) ? (bindings[STEPS] ?? 1) : 1;
  }

  value(dim: Dim): number {
    if (typeof dim === "number") return dim;
    const known = this.#values.get(dim);
    if (known !== undefined) return known;
    const unbound = symbolsOf(dim).find((name) => !Object.hasOwn(this.bindings, name));
    if (unbound !== undefined) throw programError(`symbol ${unbound}`, "nothing says how large it is");
    const value = evaluateDim(dim, this.bindings);
    this.#values.set(dim, value);
    return value;
  }

  run(words: boolean): void {
    for (const { id, elements } of this.program.buffers) {
      this.#place = () => `buffer ${id}`;
      this.#size(elements, "its size");
    }
    for (const port of this.program.inputs) this.#port(port, "input");
    for (const port of this.program.outputs) this.#port(port, "output");
    this.#given();
    for (const phase of this.program.phases) {
      for (const [i, launch] of phase.launches.entries()) {
        const place = () => placeOf(phase, i, launch);
        this.#place = place;
        const kernel = this.#kernels.get(launch.kernel);
        if (kernel === undefined) this.#fail("there is no such kernel");
        const numbers = this.#numbers(launch, kernel);
        const grid = launch.grid.map(({ size }) => this.#size(size, "the grid"));
        if (words) this.#words(launch, kernel, numbers, grid);
        this.#grid(kernel, numbers, grid);
        // A kernel without rows or tiles touches nothing.
        const idle = numbers.rows === 0 || grid.includes(0);
        const regions = launch.args.map((_, j) => {
          this.#place = () => `${place()}, argument ${kernel.args[j]?.name}`;
          return this.#argument(launch, kernel, j, idle ? null : numbers);
        });
        this.#contents(launch, kernel, regions, place);
      }
    }
    for (const port of this.program.outputs) {
      this.#place = () => `output ${port.name}`;
      this.#read(port.buffer, { start: 0, axes: [{ size: this.#count(port), stride: 1 }] });
    }
  }

  /** Weights, and what the host writes, are there before the first launch. */
  #given(): void {
    const inputs = new Set(this.program.inputs.map(({ buffer }) => buffer));
    for (const { id, elements, storage } of this.program.buffers) {
      const written = new WrittenElements();
      this.#written.set(id, written);
      if (!("tensor" in storage) && storage.kind !== "host" && !inputs.has(id)) continue;
      written.write({ start: 0, axes: [{ size: this.value(elements), stride: 1 }] });
    }
  }

  /** What a launch reads must be there, and is after it what it writes. */
  #contents(launch: Launch, kernel: Kernel, regions: readonly (Region | null)[], place: () => string): void {
    const args = this.#args(kernel);
    for (const [i, { buffer }] of launch.args.entries()) {
      const [arg, region] = [args[i], regions[i]];
      this.#place = () => `${place()}, argument ${arg?.name}`;
      if (arg?.layout !== undefined) this.#layout(buffer, arg.layout.name, arg.access === "write");
      if (arg?.access !== "write" && region != null) this.#read(buffer, region);
    }
    for (const [i, { buffer }] of launch.args.entries()) {
      const region = regions[i];
      if (kernel.args[i]?.access !== "read" && region != null) this.#written.get(buffer)?.write(region);
    }
  }

  #read(buffer: string, region: Region): void {
    if (this.#written.get(buffer)?.covers(region) !== false) return;
    const axes = region.axes.map(({ size, stride }) => `${size} every ${stride}`).join(", ");
    this.#fail("it reads elements that nothing wrote", {
      expected: "elements that a weight, an input or an earlier launch fills",
      found: `buffer ${buffer} from ${region.start}: ${axes}${this.#sizes()}`,
    });
  }

  #layout(buffer: string, layout: string, writes: boolean): void {
    if (writes) this.#layouts.set(buffer, layout);
    const found = this.#layouts.get(buffer);
    // A tensor that no launch unpacks is in the layout that its file has it in.
    if (found === layout || this.#buffers.get(buffer)?.storage.kind === "weight") return;
    this.#fail("these weights are in another layout", {
      expected: layout,
      found: found ?? `none in ${buffer}`,
    });
  }

  #fail(message: string, details: { readonly expected?: string; readonly found?: string } = {}): never {
    throw programError(this.#place(), message, details);
  }

  /** A dimension that must be a size. */
  #size(dim: Dim, what: string): number {
    const value = this.value(dim);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    return this.#fail(`${what} is no size`, {
      expected: "a whole number, not negative",
      found: `${dim} = ${value}${this.#sizes()}`,
    });
  }

  #count({ shape }: ProgramPort): number {
    return shape.reduce<number>((n, dim) => n * this.#size(dim, "an axis"), 1);
  }

  #port(port: ProgramPort, kind: string): void {
    const { name, buffer, shape } = port;
    this.#place = () => `${kind} ${name}`;
    const count = this.#count(port);
    const elements = this.value(this.#buffers.get(buffer)?.elements ?? 0);
    if (count === elements) return;
    this.#fail("its buffer has another size", {
      expected: `${count} elements for [${shape.join(", ")}]${this.#sizes()}`,
      found: `${elements} in buffer ${buffer}`,
    });
  }

  #numbers(launch: Launch, kernel: Kernel): LaunchNumbers {
    return {
      rows: this.#size(launch.rows, "the number of rows"),
      scalars: launch.scalars.map((dim, i) =>
        kernel.scalars[i] === "f32" ? Number(dim) : this.#size(dim, "a scalar"),
      ),
      rowStrides: launch.args.map((arg) => this.#size(arg.rowStride, "a row stride")),
    };
  }

  #words(launch: Launch, kernel: Kernel, numbers: LaunchNumbers, grid: readonly number[]): void {
    const tiles = launch.grid.reduce((n, { tile }, axis) => n * Math.ceil((grid[axis] ?? 1) / tile), 1);
    const integers = numbers.scalars.filter((_, i) => kernel.scalars[i] === "u32");
    const largest = Math.max(numbers.rows, ...integers, ...numbers.rowStrides);
    if (largest < WORDS && tiles < TILES) return;
    this.#fail("the launch is too large for the words it is passed in", {
      expected: `words below ${WORDS}, fewer than ${TILES} tiles`,
      found: `a word of ${largest}, ${tiles} tiles${this.#sizes()}`,
    });
  }

  #grid(kernel: Kernel, numbers: LaunchNumbers, grid: readonly number[]): void {
    const contract = this.#contract(kernel);
    if (contract === undefined) return;
    const rows = sizeOf(contract.rows, numbers);
    if (rows !== numbers.rows) {
      this.#fail("the launch has other rows than what it computes", {
        expected: `${rows}`,
        found: `${numbers.rows}${this.#sizes()}`,
      });
    }
    const covered = contract.grid.map((size) => sizeOf(size, numbers));
    if (covered.every((size, axis) => size === (grid[axis] ?? 1))) return;
    this.#fail("the grid does not cover what the launch computes", {
      expected: covered.join(" × "),
      found: `${grid.join(" × ")}${this.#sizes()}`,
    });
  }

  /**
   * The region of an argument that a launch touches, which must lie inside the buffer.
   * @param numbers null: the launch touches nothing
   */
  #argument(launch: Launch, kernel: Kernel, index: number, numbers: LaunchNumbers | null): Region | null {
    const arg = launch.args[index];
    const buffer = this.#buffers.get(arg?.buffer ?? "");
    if (arg === undefined || buffer === undefined) this.#fail("its buffer does not exist");
    const step = this.#size(arg.stepStride, "the step stride");
    const start = this.#size(arg.offset, "the offset");
    if (numbers === null) return null;
    const taken = this.#args(kernel)[index];
    const axes = taken === undefined ? [] : axesOf(taken, index, numbers);
    const last = start + Math.max(0, this.#steps - 1) * step;
    const end = last + extentOf(axes);
    const elements = this.value(buffer.elements);
    // Written so that NaN, which a missing scalar gives, is refused too.
    if (!(end <= elements)) {
      this.#fail("the launch reaches beyond its buffer", {
        expected: `at most ${elements} elements, the size of ${buffer.id}${this.#sizes()}`,
        found: `element ${end}`,
      });
    }
    const rowStride = numbers.rowStrides[index] ?? 0;
    if (buffer.dtype === "i8" && (last % 4 !== 0 || rowStride % 4 !== 0 || step % 4 !== 0)) {
      this.#fail("int8 rows do not start at whole words", {
        expected: "multiples of 4",
        found: `offset ${last}, row stride ${rowStride}, step stride ${step}${this.#sizes()}`,
      });
    }
    if (taken !== undefined) this.#rowsApart(taken, axes);
    return { start, axes: [{ size: this.#steps, stride: step }, ...axes] };
  }

  /** Rows do not overlap; one row stands for all only where a launch may have it so. */
  #rowsApart(arg: FamilyArg, axes: readonly RegionAxis[]): void {
    const [rows, columns, ...others] = axes;
    if (!arg.byRow || rows === undefined || columns === undefined || others.length > 0) return;
    const { size, stride } = rows;
    if (size <= 1 || stride >= columns.size || (stride === 0 && arg.repeats === true)) return;
    this.#fail("its rows overlap", {
      expected: `a row stride of at least ${columns.size}`,
      found: `${stride}${this.#sizes()}`,
    });
  }

  #contract(kernel: Kernel): Contract | undefined {
    if (!this.#contracts.has(kernel)) this.#contracts.set(kernel, contractOf(kernel));
    return this.#contracts.get(kernel);
  }

  /** Of a family that is not known, which bundles have none of, the first element of each row. */
  #args(kernel: Kernel): readonly FamilyArg[] {
    const firstElements = (arg: KernelArg): FamilyArg => ({
      ...arg,
      axes: [{ size: arg.byRow ? "rows" : 1, stride: "row stride" }],
    });
    return this.#contract(kernel)?.args ?? kernel.args.map(firstElements);
  }

  #sizes(): string {
    const values = this.program.symbols.map((name) => `${name} = ${this.bindings[name]}`);
    return values.length === 0 ? "" : ` (${values.join(", ")})`;
  }
}

/** How messages name a launch. */
export function placeOf(phase: Phase, index: number, launch: Launch): string {
  return `${phase.name} launch ${index} (${launch.label})`;
}
