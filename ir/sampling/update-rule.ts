/** How a sampler moves the sample from one noise level to the next: which graphs it runs after which evaluations of the model. */
export interface UpdateRule {
  /** What it is, for lists of samplers. */
  readonly summary: string;
  readonly updates: readonly Update[];
  /** The evaluations of the model, in order, for noise levels sigmas[0] > … > sigmas[N] of N steps. */
  evaluations(sigmas: Float32Array): readonly Evaluation[];
}

/** A phase of the program, run after an evaluation. */
export interface Update {
  /** The phase's name. */
  readonly name: string;
  /**
   * Text of a graph over %sample and %velocity, both f32[rows, channels]. Its other inputs are coefficients f32[1], which
   * each evaluation gives, and values that the rule's updates write and nothing else does: they keep them between evaluations.
   */
  readonly graph: string;
  /** What the graph's outputs become, in order: `sample`, or a value to keep. */
  readonly writes: readonly string[];
}

/** One evaluation of the model. */
export interface Evaluation {
  /** The step it belongs to, from 0. */
  readonly step: number;
  /** The index of the noise level at which the model is evaluated. */
  readonly at: number;
  /** The update that follows. */
  readonly update: string;
  /** The coefficients of that update. */
  readonly coefficients: Readonly<Record<string, number>>;
}

/** The name of a program's input for a coefficient. */
export function coefficientPort(coefficient: string): string {
  return `sampler.${coefficient}`;
}
