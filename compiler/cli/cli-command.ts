import {
  Command,
  type CommanderError,
  InvalidArgumentError,
  type Option,
  type ParseOptionsResult,
} from "commander";
import type { TritcError } from "../../ir/errors.js";
import { nearest } from "../../ir/nearest.js";
import { usageError } from "./usage-error.js";

/**
 * Commander's command with our errors. What is misspelled is refused first: commander alone would rather report
 * that something is missing, or print its help.
 */
export class CliCommand extends Command {
  override createCommand(name?: string): CliCommand {
    return new CliCommand(name);
  }

  override addOption(option: Option): this {
    const { parseArg, argChoices } = option;
    const isPath = /<(file|folder|path|png|model)\b/.test(option.flags);
    if (argChoices !== undefined) option.argParser((text: string) => choice(option, argChoices, text));
    else if (parseArg !== undefined) {
      option.argParser((text: string, before: unknown) => {
        try {
          return parseArg(text, before);
        } catch (error) {
          throw error instanceof InvalidArgumentError ? invalidValue(option, text, error.message) : error;
        }
      });
    } else if (isPath) option.argParser((text: string) => path(option, text));
    return super.addOption(option);
  }

  override parseOptions(args: string[]): ParseOptionsResult {
    if (this.commands.length === 0) this.#checkValues(args);
    const parsed = super.parseOptions(args);
    const { operands, unknown } = parsed;
    if (operands.includes("")) throw emptyArgument(this);
    if (this.commands.length > 0) {
      const name = operands[0] === "help" ? operands[1] : operands[0];
      if (
        name !== undefined &&
        name !== "help" &&
        !this.commands.some((command) => command.name() === name)
      ) {
        throw unknownCommand(this, name);
      }
    }
    const isForCommand = this.commands.length > 0 && operands.length > 0;
    const [first] = unknown;
    if (first !== undefined && !isForCommand && !unknown.some((arg) => arg === "--help" || arg === "-h")) {
      throw unknownOption(this, first);
    }
    return parsed;
  }

  /** An option in the place of a value is a forgotten value; `--prompt=--quiet` says that it is meant. */
  #checkValues(args: readonly string[]): void {
    const optionOf = (arg: string | undefined) =>
      this.options.find(({ long, short }) => arg !== undefined && (arg === long || arg === short));
    for (let i = 0; i < args.length && args[i] !== "--"; i++) {
      const option = optionOf(args[i]);
      if (option?.required !== true) continue;
      const value = args[++i];
      if (optionOf(value) === undefined) continue;
      throw usageError({
        message: `option '${option.flags}' argument missing`,
        place: option.long ?? option.flags,
        found: `the option ${value}`,
        remedy: `give it a value, or write ${option.long}=${value} if that is the value`,
      });
    }
  }
}

function choice(option: Option, choices: readonly string[], text: string): string {
  if (choices.includes(text)) return text;
  throw invalidValue(option, text, choices.join(", "), nearest(text, choices));
}

function path(option: Option, text: string): string {
  if (text !== "") return text;
  throw invalidValue(option, text, "a path");
}

function emptyArgument(command: Command): TritcError {
  return usageError({
    message: "an argument is empty",
    expected: command.registeredArguments.map((argument) => `<${argument.name()}>`).join(" "),
    found: "''",
    remedy: "check the variable or the quotes that it came from",
  });
}

function invalidValue(option: Option, text: string, expected: string, meant?: string): TritcError {
  return usageError({
    message: `'${text}' is invalid`,
    place: option.long ?? option.flags,
    expected: expected.replace(/^Expected (.*)\.$/, "$1"),
    found: text,
    remedy: meant === undefined ? "correct the value" : `did you mean ${meant}?`,
  });
}

function unknownCommand(program: Command, name: string): TritcError {
  const names = program.commands.map((command) => command.name());
  const meant = nearest(name, names);
  return usageError({
    message: `unknown command '${name}'`,
    expected: names.join(", "),
    found: name,
    remedy: meant === undefined ? "tritc --help says what each does" : `did you mean tritc ${meant}?`,
  });
}

function unknownOption(command: Command, arg: string): TritcError {
  const [flag = arg] = arg.split("=", 1);
  const flags = (of: Command) => of.options.flatMap(({ long }) => long ?? []);
  const meant = nearest(flag, [...flags(command), "--help"]);
  const path = command.parent === null ? "tritc" : `tritc ${command.name()}`;
  let remedy = `${path} --help lists the options`;
  if (command.commands.some((child) => flags(child).includes(flag))) {
    remedy = `options come after the command: tritc <command> ${flag}`;
  } else if (meant !== undefined) remedy = `did you mean ${meant}? ${remedy}`;
  return usageError({ message: `unknown option '${flag}'`, found: arg, remedy });
}

/** Commander's own error in our form; undefined where it only ended the parsing, its text being printed. */
export function describeCommanderError(
  error: CommanderError,
  argv: readonly string[],
): TritcError | undefined {
  const PRINTED = ["commander.help", "commander.helpDisplayed", "commander.version"];
  if (PRINTED.includes(error.code)) return undefined;
  const message = error.message.replace(/^error: /, "");
  return usageError({ message, remedy: `tritc ${argv[0] ?? ""} --help says what it takes` });
}
