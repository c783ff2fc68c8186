import { type Bindings, type Dim, symbolsOf } from "../dim.js";
import { printable, TritcError } from "../errors.js";
import { languageOfTarget } from "../families/contract/language.js";
import type { LaunchShape } from "../families/launch/form.js";
import { verifyKernel } from "../families/verify-kernel.js";
import { STEPS } from "../graph/graph.js";
import { type Place, programError } from "./error.js";
import { PHASES } from "./phases.js";
import type { BufferStorage, Kernel, Launch, Phase, Program, ProgramBuffer, ProgramPort } from "./program.js";
import { verifyOrder } from "./verify-order.js";
import { placeOf, verifySampleSizes } from "./verify-sizes.js";

/**
 * Checks the invariants of a program, which may come from a file that nobody vouches for; throws TRITC_E_PROGRAM
 * naming the launch and argument. They hold for every program that lowering makes:
 *
 *  - symbols, buffers, kernels, inputs and outputs have names of their own; every dimension uses the symbols only
 *  - a launch names a kernel and buffers that exist, and has the kernel's arguments in its dtypes and its scalars;
 *    f32 scalars are numbers, row scalars 0
 *  - a kernel is of a known family and of the target's language, and what its record says of arguments, scalars and
 *    launching is what code of that family with these parameters takes
 *  - tiles of a grid are those of the kernel's code
 *  - a fallback exists, is the same function, and chains of fallbacks end
 *  - phases are some of `PHASES`, in that order; none writes more than is declared there
 *  - a phase that runs at load has no symbols and touches weight, staging and resident buffers only, whose sizes are
 *    numbers; only such a phase touches staging buffers
 *  - only phases that repeat move with the step, and only where the program has the symbol `steps`
 *  - inputs are host or state buffers, one each; inputs and outputs have batch axes that they have
 *  - order and lifetimes: see `verifyOrder`
 *  - sizes at the samples: see `verifyProgramSizes`, which devices call again for the sizes of each run
 *
 * Kernels are taken at their word: what their code touches is what `contractOf` says of their family and parameters.
 *
 * @param samples values of the symbols to check sizes at; default: `sampleBindings`
 * @param file goes in front of the place in messages
 */
export function verifyProgram(
  program: Program,
  samples: readonly Bindings[] = sampleBindings(program),
  file?: string,
): void {
  try {
    new StructureCheck(program).run();
    verifyOrder(program);
    const possible = samples.filter((sample) => verifySampleSizes(program, sample));
    // Sizes may have a sum (31 − img_tokens rows), so that only small ones exist.
    const found =
      possible.length > 0 || smallerBindings(program).some((sample) => verifySampleSizes(program, sample));
    if (!found && samples.length > 0) {
      throw programError("buffers", "one has less than no elements at every size that was tried");
    }
  } catch (error) {
    if (!(error instanceof TritcError) || file === undefined) throw error;
    const { place, ...details } = error.details;
    throw new TritcError({ ...details, place: place === undefined ? file : `${file}: ${place}` });
  }
}

/**
 * Sizes that a program has to be right at. A FLUX transformer takes any token counts, so 1, odd and large ones;
 * other graphs may need more than a row or two somewhere (`x[3]`), so large ones only.
 */
export function sampleBindings({ symbols, model }: Pick<Program, "symbols" | "model">): readonly Bindings[] {
  const large = bind(symbols, (i) => 4096 + 2 * i);
  if (symbols.length === 0 || model === null) return [large];
  return [large, bind(symbols, (i) => 2 * i + 3), bind(symbols, () => 1)];
}

function smallerBindings({ symbols }: Pick<Program, "symbols">): readonly Bindings[] {
  return [1024, 256, 64, 16, 3].map((least) => bind(symbols, (i) => least + 2 * i));
}

function bind(symbols: readonly string[], of: (index: number) => number): Bindings {
  return Object.fromEntries(symbols.map((name, i) => [name, of(i)]));
}

const SYMBOL = /^[A-Za-z_][A-Za-z0-9_.]*$/;

class StructureCheck {
  readonly #symbols: ReadonlySet<string>;
  readonly #buffers: ReadonlyMap<string, ProgramBuffer>;
  readonly #kernels: ReadonlyMap<string, Kernel>;
  /** How kernels are launched, by id. */
  readonly #shapes = new Map<string, LaunchShape>();
  /** Dimensions known to use the program's symbols only. */
  readonly #good = new Set<Dim>();

  constructor(private readonly program: Program) {
    this.#symbols = new Set(program.symbols);
    this.#buffers = new Map(program.buffers.map((buffer) => [buffer.id, buffer]));
    this.#kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  }

  run(): void {
    const { symbols, buffers, kernels, phases, inputs, outputs } = this.program;
    for (const name of symbols) {
      if (!SYMBOL.test(name)) {
        throw programError("symbols", "this cannot be a symbol's name", { found: name });
      }
    }
    unique("symbols", symbols);
    const ids = (items: readonly { readonly id: string }[]) => items.map(({ id }) => id);
    const names = (ports: readonly ProgramPort[]) => ports.map(({ name }) => name);
    unique("buffers", ids(buffers));
    unique("kernels", ids(kernels));
    unique("inputs", names(inputs));
    unique("outputs", names(outputs));
    unique(
      "buffers of inputs",
      inputs.map(({ buffer }) => buffer),
    );
    for (const buffer of buffers) this.#buffer(buffer);
    for (const kernel of kernels) this.#kernel(kernel);
    for (const kernel of kernels) this.#fallbacks(kernel);
    for (const port of inputs) this.#port(port, `input ${port.name}`, true);
    for (const port of outputs) this.#port(port, `output ${port.name}`, false);
    this.#phases();
    for (const phase of phases) {
      for (const [i, launch] of phase.launches.entries())
        this.#launch(phase, launch, () => placeOf(phase, i, launch));
    }
  }

  #phases(): void {
    let next = 0;
    for (const { name, runs, writes } of this.program.phases) {
      const at = PHASES.findIndex((phase) => phase.name === name);
      const known = PHASES[at];
      if (known === undefined || at < next) {
        throw programError("phases", "there is no such phase at this place", {
          expected: `some of ${PHASES.map((phase) => phase.name).join(", ")} in this order`,
          found: name,
        });
      }
      next = at + 1;
      if (runs === known.runs && writes.every((kind) => known.writes.includes(kind))) continue;
      throw programError(`phase ${name}`, "it claims more than such a phase may do", {
        expected: `runs ${known.runs}, writes ${known.writes.join(", ")}`,
        found: `runs ${runs}, writes ${writes.join(", ")}`,
      });
    }
  }

  #dim(dim: Dim, place: Place): void {
    if (typeof dim === "number" || this.#good.has(dim)) return;
    const name = symbolsOf(dim).find((symbol) => !this.#symbols.has(symbol));
    if (name !== undefined) {
      throw programError(place, `the size ${printable(dim)} depends on ${printable(name)}`, {
        expected: `the program's symbols: ${this.program.symbols.join(", ") || "none"}`,
        found: name,
      });
    }
    this.#good.add(dim);
  }

  #buffer({ id, elements, storage }: ProgramBuffer): void {
    this.#dim(elements, `buffer ${id}`);
    if (isLoaded(storage) && typeof elements !== "number") {
      throw programError(`buffer ${id}`, `a ${storage.kind} buffer whose size is not known at load`, {
        expected: "a number",
        found: elements,
      });
    }
  }

  #kernel(kernel: Kernel): void {
    const place = `kernel ${kernel.id}`;
    if (!kernel.workgroup.every(isCount)) {
      throw programError(place, "a workgroup without invocations", { found: kernel.workgroup.join(" × ") });
    }
    this.#shapes.set(kernel.id, verifyKernel(kernel, languageOfTarget(this.program.target)));
  }

  #fallbacks(kernel: Kernel): void {
    const place = `kernel ${kernel.id}`;
    const signature = ({ family, params, args, scalars }: Kernel) =>
      JSON.stringify([family, params, args, scalars]);
    const seen = new Set([kernel.id]);
    for (let at = kernel; at.fallback !== null; ) {
      const next = this.#kernels.get(at.fallback);
      if (next === undefined) {
        throw programError(place, "its fallback does not exist", { found: at.fallback });
      }
      if (seen.has(next.id))
        throw programError(place, "its fallbacks go round in a circle", { found: next.id });
      if (signature(next) !== signature(kernel)) {
        throw programError(place, "its fallback is another function", {
          expected: "the same family, parameters, arguments and scalars",
          found: next.id,
        });
      }
      // Only CUDA kernels have grids of their own tiles.
      const [tile, other] = [kernel, next].map(({ id }) => this.#shapes.get(id)?.tile.join(" × "));
      if (kernel.cuda === null && tile !== other) {
        throw programError(place, "its fallback has other tiles, and a launch has one grid", {
          expected: tile ?? "",
          found: `${other} of ${next.id}`,
        });
      }
      seen.add(next.id);
      at = next;
    }
  }

  #port({ buffer: id, shape, batchAxis }: ProgramPort, place: string, input: boolean): void {
    const buffer = this.#buffers.get(id);
    if (buffer === undefined)
      throw programError(place, "it lies in a buffer that does not exist", { found: id });
    for (const dim of shape) this.#dim(dim, place);
    if (input && buffer.storage.kind !== "host" && buffer.storage.kind !== "state") {
      throw programError(place, "an input that the host does not write", {
        expected: "a host or state buffer",
        found: `${buffer.storage.kind} buffer ${id}`,
      });
    }
    if (!input && buffer.storage.kind === "staging") {
      throw programError(place, "an output that is freed after load", { found: `staging buffer ${id}` });
    }
    if (batchAxis !== null && batchAxis >= shape.length) {
      throw programError(place, "it has no such batch axis", {
        expected: `below ${shape.length}`,
        found: String(batchAxis),
      });
    }
  }

  #launch(phase: Phase, launch: Launch, place: () => string): void {
    const kernel = this.#kernels.get(launch.kernel);
    if (kernel === undefined) throw programError(place, `there is no kernel ${printable(launch.kernel)}`);
    const counts = [
      ["arguments", launch.args.length, kernel.args.length],
      ["scalars", launch.scalars.length, kernel.scalars.length],
    ] as const;
    for (const [what, found, expected] of counts) {
      if (found === expected) continue;
      throw programError(place, `${found} ${what} for the ${expected} of ${printable(kernel.id)}`);
    }
    if (launch.grid.length > 3 || !launch.grid.every(({ tile }) => isCount(tile))) {
      throw programError(place, "this is no grid", {
        expected: "at most three axes with tiles of at least 1",
        found: `tiles of ${launch.grid.map(({ tile }) => tile).join(" × ")}`,
      });
    }
    const tiles = this.#shapes.get(kernel.id)?.tile;
    if (tiles === undefined || !launch.grid.every(({ tile }, axis) => tile === tiles[axis])) {
      throw programError(place, "its grid has other tiles than its kernel", {
        expected: tiles?.join(" × ") ?? "a kernel that exists",
        found: launch.grid.map(({ tile }) => tile).join(" × "),
      });
    }
    const sizes = [launch.rows, ...launch.grid.map(({ size }) => size)];
    for (const [i, type] of kernel.scalars.entries()) {
      const value = launch.scalars[i] ?? Number.NaN;
      if (type === "u32") sizes.push(value);
      else if (type === "row") {
        if (value !== 0)
          throw programError(place, `scalar ${i} is a row`, { expected: "0", found: String(value) });
      } else if (typeof value !== "number" || !Number.isFinite(value)) {
        throw programError(place, `scalar ${i} is f32`, { expected: "a number", found: String(value) });
      }
    }
    for (const { offset, rowStride, stepStride } of launch.args) sizes.push(offset, rowStride, stepStride);
    for (const dim of sizes) this.#dim(dim, place);
    const symbolic = phase.runs === "load" ? sizes.find((dim) => typeof dim !== "number") : undefined;
    if (symbolic !== undefined) {
      throw programError(place, "its sizes are not known at load", {
        expected: "numbers",
        found: String(symbolic),
      });
    }
    for (const [i, arg] of kernel.args.entries()) {
      const given = launch.args[i];
      const at = () => `${place()}, argument ${arg.name}`;
      const buffer = this.#buffers.get(given?.buffer ?? "");
      if (given === undefined || buffer === undefined) {
        const message = `argument ${printable(arg.name)} lies in a buffer that does not exist`;
        throw programError(place, message, { found: given?.buffer ?? "nothing" });
      }
      if (buffer.dtype !== arg.dtype) {
        throw programError(at, "its buffer has another element type", {
          expected: arg.dtype,
          found: `${buffer.dtype} in ${buffer.id}`,
        });
      }
      this.#access(phase, arg.access, buffer, at);
      if (given.stepStride !== 0 && !(isRepeated(phase) && this.#symbols.has(String(STEPS)))) {
        throw programError(at, "it moves with the step where there are no steps", {
          expected: "a step stride of 0",
          found: String(given.stepStride),
        });
      }
    }
  }

  /** Which phase may do what to a buffer. */
  #access(
    { name, runs, writes }: Phase,
    access: Kernel["args"][number]["access"],
    buffer: ProgramBuffer,
    at: Place,
  ): void {
    const { kind } = buffer.storage;
    const loading = runs === "load";
    if (loading ? !isLoaded(buffer.storage) : kind === "staging") {
      const expected = loading ? "a weight, staging or resident buffer" : "another one: load frees it";
      const found = `${access} of ${kind} buffer ${buffer.id}`;
      throw programError(at, `${name} cannot touch this buffer`, { expected, found });
    }
    if (access === "read") return;
    if (writes.includes(kind)) return;
    throw programError(at, `${name} cannot write this buffer`, {
      expected: writes.map((kind) => `${kind} buffers`).join(", ") || "none",
      found: `${access} of ${kind} buffer ${buffer.id}`,
    });
  }
}

/** Whether a buffer has its place from `load` on. */
function isLoaded({ kind }: BufferStorage): boolean {
  return kind === "weight" || kind === "staging" || kind === "resident";
}

function isRepeated({ runs }: Phase): boolean {
  return runs === "step" || runs === "update";
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

function unique(what: string, names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw programError(what, "two have one name", { found: name });
    seen.add(name);
  }
}
