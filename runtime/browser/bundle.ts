import { TritcError } from "../../ir/errors.js";
import { type Bundle, loadBundle } from "../bundle.js";
import { type DownloadOptions, urlFiles } from "./url-files.js";

/** A verified bundle and where it came from. */
export interface BundleAtUrl extends Bundle {
  /** The folder's address, with a slash at its end. */
  readonly url: string;
}

/**
 * Opens a bundle on a server. What a device needs (program, kernels, weights) is downloaded and checked against the
 * manifest's sizes and hashes; other files are when `readFile` asks for them.
 *
 * @param url the bundle's folder; relative addresses count from the page
 * @throws TritcError `TRITC_E_FETCH` where the server cannot be reached or refuses, `TRITC_E_SECURE_CONTEXT` on
 *   pages that have no Web Crypto, and the errors of `loadBundle`
 */
export async function openBundleUrl(url: string | URL, options: DownloadOptions = {}): Promise<BundleAtUrl> {
  const base = folderUrl(url);
  // Web Crypto is absent, whatever its type says, on pages without HTTPS.
  const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  if (subtle === undefined) {
    throw new TritcError({
      code: "TRITC_E_SECURE_CONTEXT",
      message: "this page may not use Web Crypto, which checks the bundle's files",
      place: base.href,
      expected: "a page from https:// or from localhost",
      remedy: "serve the page over HTTPS",
    });
  }
  const bundle = await loadBundle(urlFiles(base, options), base.href.replace(/\/$/, ""), "used");
  return { ...bundle, url: base.href };
}

function folderUrl(url: string | URL): URL {
  const page = "document" in globalThis ? document.baseURI : globalThis.location?.href;
  try {
    const base = new URL(url, page);
    base.hash = "";
    base.search = "";
    if (!base.pathname.endsWith("/")) base.pathname += "/";
    return base;
  } catch (cause) {
    throw new TritcError({
      code: "TRITC_E_FETCH",
      message: "this is no address of a bundle",
      found: String(url),
      remedy: "pass the address of the bundle's folder, relative to the page or absolute",
      cause,
    });
  }
}
