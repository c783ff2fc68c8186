import { TritcError } from "../../ir/errors.js";
import { WASM_MAX_PAGES } from "../../targets/cpu/abi.js";

/** What a kernel may import from `env`, as its binary declares it. A memory has its smallest and largest page count. */
const IMPORTS: ReadonlyMap<string, string> = new Map([
  ["memory", `shared memory 1 to ${WASM_MAX_PAGES}`],
  ["scratch", "global i32"],
  ["sin", "function f64 → f64"],
  ["cos", "function f64 → f64"],
]);
const RUN = "function i32, i32, i32 → nothing";

/**
 * Sections of a kernel: types, imports, functions, globals, exports, code. Others would give it memory or tables of its
 * own, run something at instantiation, or say where debuggers fetch from.
 */
const SECTIONS: ReadonlySet<number> = new Set([1, 2, 3, 6, 7, 10]);

const VALUE_TYPES: Readonly<Record<number, string>> = {
  127: "i32",
  126: "i64",
  125: "f32",
  124: "f64",
  123: "v128",
};

/**
 * Compiles a kernel of a bundle, which may come from anybody. Throws TRITC_E_KERNEL where it is no module that this
 * engine takes, or one that asks for anything but what `targets/cpu/abi.ts` gives: so it has the shared memory, the
 * host's sine and cosine, and nothing else.
 */
export async function compileKernelModule(
  id: string,
  binary: Uint8Array<ArrayBuffer>,
): Promise<WebAssembly.Module> {
  let module: WebAssembly.Module;
  try {
    module = await WebAssembly.compile(binary);
  } catch (cause) {
    if (!(cause instanceof WebAssembly.CompileError)) throw cause;
    throw kernelError(id, "the kernel is not a WebAssembly module that this engine takes", {
      found: cause.message,
      cause,
    });
  }
  const { imports, exports } = new ModuleReader(id, binary).read();
  for (const { from, name, what } of imports) {
    const expected = from === "env" ? IMPORTS.get(name) : undefined;
    if (what === expected) continue;
    throw kernelError(id, "the kernel asks for what it may not have", {
      expected: expected ?? `imports of env: ${[...IMPORTS.keys()].join(", ")}`,
      found: `${what} ${from}.${name}`,
    });
  }
  const [run, ...others] = exports;
  if (run?.name !== "run" || run.what !== RUN || others.length > 0) {
    throw kernelError(id, "the kernel does not offer what a kernel offers", {
      expected: `run, a ${RUN}, alone`,
      found: exports.map(({ name, what }) => `${name}, a ${what}`).join("; ") || "nothing",
    });
  }
  return module;
}

function kernelError(
  id: string,
  message: string,
  details: { readonly expected?: string; readonly found: string; readonly cause?: unknown },
): TritcError {
  return new TritcError({
    code: "TRITC_E_KERNEL",
    message,
    place: id,
    ...details,
    remedy: "compile the model again; if the bundle was downloaded, download it again",
  });
}

interface Declared {
  readonly name: string;
  readonly what: string;
}

/** Reads what a module that the engine has validated declares. Throws TRITC_E_KERNEL at the first thing no kernel has. */
class ModuleReader {
  private at = 8;
  private readonly types: string[] = [];
  /** Function types by function index, imported ones first. */
  private readonly functions: string[] = [];

  constructor(
    private readonly id: string,
    private readonly bytes: Uint8Array,
  ) {}

  read(): {
    readonly imports: readonly (Declared & { readonly from: string })[];
    readonly exports: readonly Declared[];
  } {
    const imports: (Declared & { readonly from: string })[] = [];
    const exports: Declared[] = [];
    while (this.at < this.bytes.length) {
      const section = this.byte();
      if (!SECTIONS.has(section)) this.refuse(`section ${section}`);
      const end = this.number() + this.at;
      if (section === 1) this.each(() => this.types.push(this.functionType()));
      if (section === 2)
        this.each(() => imports.push({ from: this.text(), name: this.text(), what: this.imported() }));
      if (section === 3) this.each(() => this.functions.push(this.typeAt(this.number())));
      if (section === 7) this.each(() => exports.push({ name: this.text(), what: this.exported() }));
      this.at = end;
    }
    return { imports, exports };
  }

  private refuse(found: string): never {
    const expected = "functions of numbers over the shared memory";
    throw kernelError(this.id, "the kernel is more than functions", { expected, found });
  }

  private byte(): number {
    return this.bytes[this.at++] ?? 0;
  }

  /** An unsigned LEB128 number. */
  private number(): number {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  }

  private text(): string {
    const length = this.number();
    this.at += length;
    return new TextDecoder().decode(this.bytes.subarray(this.at - length, this.at));
  }

  private each(read: () => void): void {
    for (let count = this.number(); count > 0; count--) read();
  }

  private typeAt(index: number): string {
    return this.types[index] ?? "another type";
  }

  private functionType(): string {
    const form = this.byte();
    const list = (): string => {
      const names: string[] = [];
      this.each(() => names.push(this.valueType()));
      return names.join(", ") || "nothing";
    };
    return form === 0x60 ? `function ${list()} → ${list()}` : this.refuse(`a type of form ${form}`);
  }

  private valueType(): string {
    const code = this.byte();
    return VALUE_TYPES[code] ?? this.refuse(`values of type ${code}`);
  }

  private imported(): string {
    const kind = this.byte();
    if (kind === 0) {
      const type = this.typeAt(this.number());
      this.functions.push(type);
      return type;
    }
    if (kind === 2) return this.limits();
    if (kind === 3) {
      const type = this.valueType();
      return `${this.byte() === 0 ? "global" : "mutable global"} ${type}`;
    }
    return this.refuse(`an import of kind ${kind}`);
  }

  private limits(): string {
    const flags = this.byte();
    const least = this.number();
    const most = (flags & 1) === 1 ? this.number() : undefined;
    const kind = flags === 3 ? "shared memory" : `memory of flags ${flags},`;
    return `${kind} ${least} to ${most ?? "any"}`;
  }

  private exported(): string {
    const kind = this.byte();
    const index = this.number();
    return kind === 0 ? (this.functions[index] ?? "another function") : `export of kind ${kind}`;
  }
}
