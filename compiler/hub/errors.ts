import { type ErrorDetails, TritcError } from "../../ir/errors.js";

type Details = Omit<ErrorDetails, "code">;

/** What the hub answered is not what its protocol says. */
export function protocolError(details: Details): TritcError {
  return new TritcError({
    code: "TRITC_E_HUB",
    remedy: "try again later; behind a proxy or with HF_ENDPOINT, check that it passes the hub's answers on",
    ...details,
  });
}

/** The hub cannot be reached, or is too busy to answer. */
export function networkError(details: Details): TritcError {
  return new TritcError({
    code: "TRITC_E_HUB_NETWORK",
    remedy:
      "check the connection, and run the command again: it goes on where it stopped; if a path here was meant, correct it",
    ...details,
  });
}

/** What the hub says by status and `X-Error-Code` of who asks for what is not for them, or not there. */
export function refusal(response: Response, page: string, hasToken: boolean): TritcError {
  const { status, headers } = response;
  const code = headers.get("x-error-code");
  const said = headers.get("x-error-message");
  const found = `${status}${code === null ? "" : ` ${code}`}${said === null ? "" : `: ${said}`}`;
  if (code === "GatedRepo" || (status === 403 && code === null)) {
    return new TritcError({
      code: "TRITC_E_HUB_ACCESS",
      message: "the model's licence has to be accepted first",
      place: page,
      expected: hasToken
        ? "a token of an account that has accepted it, and that may read gated repositories"
        : "a token of an account that has accepted it",
      found,
      remedy: `accept the licence at ${page}, then give a token: --token, HF_TOKEN, or \`hf auth login\``,
    });
  }
  if (status === 401 && hasToken && code === null) {
    return new TritcError({
      code: "TRITC_E_HUB_ACCESS",
      message: "the hub does not know the token",
      place: page,
      found,
      remedy: "make one at https://huggingface.co/settings/tokens, and give it by --token or HF_TOKEN",
    });
  }
  if (code === "RevisionNotFound") {
    return new TritcError({
      code: "TRITC_E_HUB_NOT_FOUND",
      message: "the repository has no such revision",
      place: page,
      expected: "a branch, a tag or a commit of the repository",
      found,
      remedy: "correct the revision, or leave it out for main",
    });
  }
  if (code === "EntryNotFound") {
    return new TritcError({
      code: "TRITC_E_HUB_NOT_FOUND",
      message: "the repository has no such file",
      place: page,
      found,
      remedy: "look at the repository's list of files",
    });
  }
  // Without a token the hub does not say whether a private repository is there.
  if (status === 401 || status === 404 || code === "RepoNotFound") {
    return new TritcError({
      code: "TRITC_E_HUB_NOT_FOUND",
      message: "there is no such repository, or it is private, and no such file or folder here",
      place: page,
      found,
      remedy: hasToken
        ? "correct the name or the path; a private repository takes a token that may read it"
        : "correct the name or the path; for a private repository give a token: --token or HF_TOKEN",
    });
  }
  if (status === 403) {
    return new TritcError({
      code: "TRITC_E_HUB_ACCESS",
      message: "the token may not read the repository",
      place: page,
      found,
      remedy: "give a token that may: --token or HF_TOKEN",
    });
  }
  return protocolError({ message: "the hub refuses the request", place: page, found });
}
