import { Turns } from "../turns.js";
import type { Network, NetworkName, OpenNetwork } from "./network.js";

/** The open networks of a pipeline: all that were used, or one at a time and none between two uses. */
export class Shelf {
  readonly #open = new Map<NetworkName, Promise<OpenNetwork>>();
  readonly #turns = new Turns("pipeline");

  constructor(
    private readonly find: (name: NetworkName) => Network,
    private readonly policy: "keep" | "close",
  ) {}

  /** A network that stays open until its turn is over, or for good. */
  network(name: NetworkName): Network {
    const { place, open } = this.find(name);
    return {
      place,
      open: async () => {
        const known = this.#open.get(name);
        if (known !== undefined) return known;
        this.#turns.throwIfClosed();
        if (this.policy === "close") await this.#closeAll();
        const opened = open();
        this.#open.set(name, opened);
        return opened;
      },
    };
  }

  /** Does what uses networks: where they are closed afterwards, when all before it is done. */
  use<T>(work: () => Promise<T>): Promise<T> {
    if (this.policy === "keep") return work();
    return this.#turns.take(async () => {
      try {
        return await work();
      } finally {
        await this.#closeAll();
      }
    });
  }

  close(): Promise<void> {
    return this.#turns.close(() => this.#closeAll());
  }

  async #closeAll(): Promise<void> {
    const opened = [...this.#open.values()];
    this.#open.clear();
    for (const result of await Promise.allSettled(opened)) {
      if (result.status === "fulfilled") await result.value.close();
    }
  }
}
