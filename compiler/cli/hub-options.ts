import type { Command } from "commander";

/** How a model of the hub is found. */
export interface HubOptions {
  readonly revision?: string | undefined;
  readonly token?: string;
  readonly offline?: boolean;
}

/** The options of a command that takes a model. */
export function withHubOptions(command: Command): Command {
  return withHubAccess(
    command.option("--revision <name>", "a model of the hub: branch, tag or commit; default: main"),
  );
}

/** The same where several models are given, each of which may name its revision. */
export function withHubAccess(command: Command): Command {
  return command
    .option(
      "--token <token>",
      "a model of the hub: who asks; default: HF_TOKEN, else what `hf auth login` saved",
    )
    .option("--offline", "take models of the hub from Hugging Face's cache alone, as with HF_HUB_OFFLINE=1");
}
