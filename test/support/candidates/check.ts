import { FAMILIES } from "../../../ir/families/index.js";
import { roundingOf } from "../../../ir/families/launch/form.js";
import type { KernelConfig } from "../../../ir/program/program.js";
import type { Device } from "../../../runtime/device.js";
import { deviceKinds } from "../../../targets/device-kind.js";
import type { Target } from "../../../targets/index.js";
import { keyOf } from "../../../templates/choice/configs.js";
import { configsFor, defineKernel, type KernelDefinition } from "../../../templates/index.js";
import { bfloatValues } from "../bfloat.js";
import { type Data, type MatrixArg, runLaunch } from "../launch.js";
import { argumentsOf, gridSizes, type Problem, type Values, valuesOf } from "./operands.js";

/** How far results may be from those expected; 0 where they are the same to the bit. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

/** A problem and what its result is by something else than the kernels that are checked. */
export interface Checked {
  readonly problem: Problem;
  /** Values of the result arguments by name. */
  readonly expected: Readonly<Record<string, ArrayLike<number>>>;
  readonly tolerance: Tolerance;
}

export const EXACT: Tolerance = { absolute: 0, relative: 0 };

export function defined(problem: Problem, config: KernelConfig, target: Target): KernelDefinition {
  const { family, params, rows } = problem;
  const definition = defineKernel(family, params as never, target, [rows], () => config);
  if (keyOf(definition.kernel.config) !== keyOf(config)) {
    throw new Error(`${family} has ${keyOf(definition.kernel.config)} in place of ${keyOf(config)}`);
  }
  return definition;
}

/**
 * All configs of a problem on a target of one kind. Those that differ in nothing but for how many blocks they are compiled count
 * once: that bounds the registers of a thread, which the emulator does not have.
 */
export function candidatesOf(problem: Problem, target: Target): readonly KernelConfig[] {
  const device = deviceKinds(target)[0];
  if (device === undefined) throw new Error(`${target.name} has no devices`);
  const { family, params, rows } = problem;
  const first = new Map<string, KernelConfig>();
  for (const config of configsFor(family, params as never, { target, device, rows: [rows] })) {
    const isHopper = config.variant.endsWith("hopper");
    const key = keyOf(isHopper ? config : { ...config, blocks: 0 });
    if (!first.has(key)) first.set(key, config);
  }
  return [...first.values()];
}

/** Checks configs of one problem on a device. */
export class CandidateCheck {
  readonly #values: Values;
  #args: Readonly<Record<string, MatrixArg>> | undefined;
  /** Results of the first config of each order of sums. */
  readonly #first = new Map<
    string,
    { readonly key: string; readonly results: Readonly<Record<string, Data>> }
  >();

  constructor(
    readonly checked: Checked,
    readonly device: Device,
    readonly target: Target,
  ) {
    this.#values = valuesOf(checked.problem);
  }

  /** What is wrong with a config's results; undefined where they are right. */
  async fault(config: KernelConfig): Promise<string | undefined> {
    const { problem, expected, tolerance } = this.checked;
    this.#args ??= await argumentsOf(problem, this.#values, this.device, this.target);
    const definition = defined(problem, config, this.target);
    const { rows, scalars = [] } = problem;
    let results: Readonly<Record<string, Data>>;
    try {
      results = await runLaunch(this.device, definition, {
        rows,
        scalars,
        args: this.#args,
        grid: gridSizes(problem),
      });
    } catch (error) {
      return error instanceof Error ? error.message.slice(0, 600) : String(error);
    }
    for (const { name, dtype, access } of definition.kernel.args) {
      if (access === "read") continue;
      const data = results[name] ?? new Float32Array();
      const actual = dtype === "bf16" ? bfloatValues(data) : data;
      const apart = farthest(actual, expected[name] ?? [], tolerance);
      if (apart !== undefined) return `${name} ${apart}`;
    }
    return this.#otherBits(config, results);
  }

  #otherBits(config: KernelConfig, results: Readonly<Record<string, Data>>): string | undefined {
    const { family, params } = this.checked.problem;
    const order = roundingOf<never>(FAMILIES[family].forms.cuda as never, params as never, config);
    const key = keyOf(config);
    const first = this.#first.get(order);
    if (first === undefined) {
      this.#first.set(order, { key, results });
      return undefined;
    }
    for (const [name, data] of Object.entries(results)) {
      const other = bytesOf(first.results[name]);
      if (!bytesOf(data).equals(other)) return `${name} has other bits than that of ${first.key}`;
    }
    return undefined;
  }
}

function bytesOf(data: Data = new Uint8Array()): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** Where two are farther apart than they may be. */
function farthest(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { absolute, relative }: Tolerance,
): string | undefined {
  if (actual.length !== expected.length) return `has ${actual.length} elements, expected ${expected.length}`;
  for (let i = 0; i < actual.length; i++) {
    const [a, e] = [actual[i] ?? Number.NaN, expected[i] ?? Number.NaN];
    if (!(Math.abs(a - e) <= absolute + relative * Math.abs(e))) return `is ${a} at ${i}, expected ${e}`;
  }
  return undefined;
}
