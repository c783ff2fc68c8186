import type { CudaTensorMap, KernelConfig } from "../../program/program.js";

/** Columns (or heads, or elements), rows and batch entries that one tile of a kernel covers. */
export type Tile = readonly [x: number, y: number, z: number];

/** How a kernel is launched. */
export interface LaunchShape {
  /** Invocations of a workgroup (WGSL) or threads of a block (CUDA). */
  readonly workgroup: readonly [number, number, number];
  readonly tile: Tile;
  /**
   * Bytes of workgroup memory (WGSL), of dynamic shared memory (CUDA; static arrays are nvcc's to count), or of a thread's
   * scratch memory (WebAssembly).
   */
  readonly sharedBytes: number;
  /** CUDA: blocks loop over tiles, so that there are no more of them than fit on the device. */
  readonly persistent: boolean;
  /** CUDA: blocks that share a tile: they run at the same time and reach each other's shared memory. */
  readonly cluster: number;
  readonly tensorMaps: readonly CudaTensorMap[];
  /** CUDA: blocks that the kernel is compiled for a multiprocessor to hold, which bounds a thread's registers. */
  readonly blocks: number;
  /** CUDA: registers that a thread takes at least, by count; 0 where nobody has counted. */
  readonly registers: number;
}

/** The members of a config besides its variant, and every value that each may have. */
export type Dimensions = Readonly<Record<string, readonly (string | number | boolean)[]>>;
export type ConfigOf<D extends Dimensions> = { readonly [K in keyof D]: D[K][number] };

/**
 * One form of a family's kernels in one language: the template of its name, for some parameters and configs. What it
 * says of them is all that lowering, templates and the verifier of bundles know.
 */
export interface Form<P, D extends Dimensions = Dimensions> {
  readonly dimensions: D;
  /** Features that its kernels need; CUDA: an architecture. */
  needs?(config: ConfigOf<D>): readonly string[];
  /** Why there is no such kernel for these parameters; undefined where there is one. */
  refuses?(params: P, config: ConfigOf<D>): string | undefined;
  launch(params: P, config: ConfigOf<D>): Pick<LaunchShape, "tile"> & Partial<LaunchShape>;
  /**
   * In what order its kernels add floats: those with the same text leave the same bits. Absent or empty where they leave those
   * of every other form that says nothing, such as kernels of integers.
   */
  rounding?(params: P, config: ConfigOf<D>): string;
}

/** The forms of one family in one language, by variant: the name of the template. */
export type Forms<P> = Readonly<Record<string, Form<P>>>;

/** A config of any of these forms. */
export type ConfigsOf<F extends Readonly<Record<string, { readonly dimensions: Dimensions }>>> = {
  [V in keyof F & string]: { readonly variant: V } & ConfigOf<F[V]["dimensions"]>;
}[keyof F & string];

/** Infers the members of a form's configs. */
export function form<P>(): <const D extends Dimensions>(form: Form<P, D>) => Form<P, D> {
  return (made) => made;
}

/** Numbers from `first` to `last`, `step` apart. */
export function range(first: number, last: number, step = 1): readonly number[] {
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step);
}

/** Why there is no kernel of these forms with a config; undefined where there is one. */
export function faultOf<P>(forms: Forms<P>, params: P, config: KernelConfig): string | undefined {
  const form = formOf(forms, config);
  if (form === undefined) {
    return `there is no variant ${config.variant}, only ${Object.keys(forms).join(", ")}`;
  }
  for (const [name, values] of Object.entries(form.dimensions)) {
    const value = Object.hasOwn(config, name) ? config[name] : undefined;
    if (value === undefined || !values.includes(value)) {
      return `${name} is ${value ?? "missing"}, and can be ${listed(values)}`;
    }
  }
  const stray = Object.keys(config).find(
    (name) => name !== "variant" && !Object.hasOwn(form.dimensions, name),
  );
  return stray === undefined
    ? form.refuses?.(params, config)
    : `${stray} is no number of a ${config.variant} kernel`;
}

/** All of a few values, the ends of many. */
function listed(values: Dimensions[string]): string {
  return values.length <= 6 ? values.join(", ") : [...values.slice(0, 2), "…", values.at(-1)].join(", ");
}

/** Features that kernels with a config of these forms need. */
export function needsOf<P>(forms: Forms<P>, config: KernelConfig): readonly string[] {
  return formOf(forms, config)?.needs?.(config) ?? [];
}

/** In what order a kernel adds floats; configs with the same text leave the same bits. */
export function roundingOf<P>(forms: Forms<P>, params: P, config: KernelConfig): string {
  const text = formOf(forms, config)?.rounding?.(params, config) ?? "";
  return text === "" ? "" : `${config.variant}: ${text}`;
}

/** How a kernel is launched whose config has no fault. */
export function launchOf<P>(forms: Forms<P>, params: P, config: KernelConfig): LaunchShape {
  const form = formOf(forms, config);
  if (form === undefined) throw new RangeError(`no variant ${config.variant}`);
  return {
    workgroup: [1, 1, 1],
    sharedBytes: 0,
    persistent: false,
    cluster: 1,
    tensorMaps: [],
    blocks: 1,
    registers: 0,
    ...form.launch(params, config),
  };
}

function formOf<P>(forms: Forms<P>, { variant }: KernelConfig): Form<P> | undefined {
  return Object.hasOwn(forms, variant) ? forms[variant] : undefined;
}

/** Threads of a block along one axis. */
export function threads(count: number): readonly [number, number, number] {
  return [count, 1, 1];
}
