import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";

/** Where the hub is, where its files lie here, and who asks. */
export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** Hugging Face's cache: `models--org--name/` and so on. */
  readonly cache: string;
  readonly token?: string;
  /** Nothing is asked of the network. */
  readonly offline: boolean;
}

export interface HubSettingsRequest {
  readonly token?: string | undefined;
  readonly offline?: boolean | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

const ENDPOINT = "https://huggingface.co";

/** The settings that Hugging Face's tools share, from the environment; what is given goes first. Throws TRITC_E_USAGE. */
export function hubSettings({ token, offline, env = process.env }: HubSettingsRequest = {}): HubSettings {
  const home = ofUser(env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface"));
  const cache = ofUser(env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, "hub"));
  const found = token ?? (isOn(env.HF_HUB_DISABLE_IMPLICIT_TOKEN) ? undefined : tokenOf(env, home));
  return {
    endpoint: endpointOf(env.HF_ENDPOINT || ENDPOINT),
    cache,
    ...(found === undefined || found === "" ? {} : { token: checked(found) }),
    offline: offline === true || isOn(env.HF_HUB_OFFLINE) || isOn(env.TRANSFORMERS_OFFLINE),
  };
}

function tokenOf(env: NonNullable<HubSettingsRequest["env"]>, home: string): string | undefined {
  const given = env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN;
  if (given) return given.trim();
  try {
    return readFileSync(ofUser(env.HF_TOKEN_PATH || join(home, "token")), "utf8").trim();
  } catch {
    // Who never signed in has no such file.
    return undefined;
  }
}

/** A header takes no other characters; what the token is goes into no message. */
function checked(token: string): string {
  if (/^[\x21-\x7e]{1,4096}$/.test(token)) return token;
  throw new TritcError({
    code: "TRITC_E_USAGE",
    exitCode: 2,
    message: "the hub's token has characters that no token has",
    place: "--token, HF_TOKEN, or the file `token` in HF_HOME",
    expected: "hf_ and letters and digits, without spaces",
    remedy: "copy it again from https://huggingface.co/settings/tokens",
  });
}

function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "";
  if (isPlain && url.username === "" && url.password === "") return url.href.replace(/\/+$/, "");
  throw new TritcError({
    code: "TRITC_E_USAGE",
    exitCode: 2,
    message: "HF_ENDPOINT is no address of a hub",
    place: "HF_ENDPOINT",
    expected: `an http or https address such as ${ENDPOINT}, without a password`,
    remedy: "correct it, or unset it",
  });
}

function isOn(value: string | undefined): boolean {
  return /^(?:1|on|yes|true)$/i.test(value ?? "");
}

function ofUser(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path;
}
