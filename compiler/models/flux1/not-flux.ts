/** Where the recognition of a FLUX transformer stopped: the value or operation, what it should be, what it is. */
export class NotFlux extends Error {
  constructor(
    readonly place: string,
    readonly expected: string,
    readonly found: string,
  ) {
    super(`${place}: ${found} instead of ${expected}`);
  }
}
