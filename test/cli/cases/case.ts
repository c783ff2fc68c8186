/** Valid files of a small graph. */
export interface SmallFixture {
  /** A model with inputs x f32 [n, 8] and i i64 [2], and output y. */
  readonly model: string;
  /** Safetensors that fit the model. */
  readonly inputs: string;
  /** A bundle of the model. */
  readonly generic: string;
}

/** Valid files that cases damage copies of. */
export interface Fixture extends SmallFixture {
  /** A tiny FLUX transformer. */
  readonly flux: string;
  /** The transformer's bundle for the cpu target. */
  readonly bundle: string;
  /** Safetensors that fit the bundle. */
  readonly bundleInputs: string;
}

/** A command that must fail, how, and without touching a file. */
export interface CliCase {
  readonly name: string;
  /** 1: the work fails (default). 2: the command line is wrong. */
  readonly exit?: 1 | 2;
  readonly code: string;
  /** Matched against standard error. */
  readonly message: RegExp;
  /** Prepares an empty folder; gives the arguments. */
  readonly setup: (folder: string, fixture: Fixture) => readonly string[];
}
