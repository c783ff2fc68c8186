/** What the hub may be told, and hostile answers of it. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { blobName, FakeHub, json } from "../support/fake-hub.js";
import {
  blob,
  CONFIG,
  filesBelow,
  home,
  hub,
  LARGE,
  model,
  noise,
  onHub,
  PIPELINE,
  repository,
  snapshot,
  useHub,
  WANTED,
} from "./fixture.js";

useHub();

describe("a token", () => {
  const token = "hf_open";
  it("reads what is gated, and goes to the hub alone", async () => {
    await model("org/gated", { token });
    expect(filesBelow(snapshot("org/gated"))).toEqual([...WANTED].sort());
    for (const { host, authorization } of hub.asked)
      expect(authorization).toBe(host === "hub" ? `Bearer ${token}` : undefined);
    expect(hub.asked.filter(({ host }) => host === "store").length).toBe(5);
  });

  it.each(["page", "redirect"])("does not follow the list to another host by a %s", async (by) => {
    const stranger = await FakeHub.open({ "org/gated": { files: PIPELINE } });
    try {
      hub.answer = (_, response, { path }) => {
        if (!path.includes("/tree/")) return false;
        const elsewhere = `${stranger.endpoint}${path}?recursive=true`;
        if (by === "redirect") response.writeHead(302, { location: elsewhere }).end();
        else {
          response.setHeader("link", `<${elsewhere}>; rel="next"`);
          json(response, []);
        }
        return true;
      };
      await model("org/gated", { token });
      expect(stranger.asked.length).toBeGreaterThan(0);
      expect(stranger.asked.map(({ authorization }) => authorization).filter(Boolean)).toEqual([]);
    } finally {
      await stranger.close();
    }
  });

  it("is asked for where a licence has to be accepted", async () => {
    const error = await model("org/gated").catch((error) => error);
    expect(error).toMatchObject({ code: "TRITC_E_HUB_ACCESS" });
    expect(error.message).toMatch(/accept the licence at http:\/\/127.*\/org\/gated, then give a token/);
    const other = await model("org/gated", { token: "hf_other" }).catch((error) => error);
    expect(other).toMatchObject({ code: "TRITC_E_HUB_ACCESS" });
    expect(other.message).not.toContain("hf_other");
  });

  it("that nobody knows", async () => {
    hub.answer = (_, response) => {
      response.writeHead(401).end("{}");
      return true;
    };
    await expect(model("org/flux", { token: "hf_old" })).rejects.toThrow(/does not know the token/);
  });
});

describe("hostile answers", () => {
  const file = { type: "file", path: "model_index.json", size: 2, oid: "b".repeat(40) };
  const listing = (...entries: readonly object[]) => {
    hub.answer = (_, response, { path }) => {
      if (!path.includes("/tree/")) return false;
      json(response, entries);
      return true;
    };
  };
  const refused = async (code = "TRITC_E_HUB") => {
    const error = await model().catch((error) => error);
    expect(error).toMatchObject({ code });
    // Nothing but what the hub really has, in its place.
    const left = existsSync(join(home, "hub")) ? filesBelow(join(home, "hub")) : [];
    expect(readdirSync(home).filter((name) => name !== "hub")).toEqual([]);
    expect(left.filter((path) => !/^models--org--flux\/(?:blobs|snapshots)\//.test(path))).toEqual([]);
    return error.message as string;
  };

  it.each([
    ["a path upwards", { path: "../../evil.json" }],
    ["a path upwards within", { path: "transformer/../../../../evil.json" }],
    ["an absolute path", { path: "/tmp/evil.json" }],
    ["a drive", { path: "C:/evil.json" }],
    ["another system's separator", { path: "..\\evil.json" }],
    ["a control character", { path: "a\u0000b" }],
    ["no path", { path: 5 }],
    ["a hash that is a path", { oid: "../../../evil" }],
    ["no hash", { oid: null }],
    ["a hash of other length", { oid: "b".repeat(64) }],
    ["a size below zero", { size: -1 }],
    ["a size beyond all", { size: 1e300 }],
    ["a broken size", { size: 1.5 }],
    ["two sizes", { lfs: { oid: "c".repeat(64), size: 3, pointerSize: 1 } }],
    ["a hash of a large file that is a path", { lfs: { oid: "../x", size: 2, pointerSize: 1 } }],
  ])("a file with %s", async (_, change) => {
    listing({ ...file, ...change });
    expect(await refused()).toMatch(/lists a file that none can be/);
  });

  it.each([
    ["a file twice", [file, file], /no end/],
    ["null for an entry", [null], /answer is none/],
    ["an object", { error: 1 }, /answer is none/],
  ])("a list with %s", async (_, list, message) => {
    hub.answer = (_, response, { path }) => {
      if (!path.includes("/tree/")) return false;
      json(response, list);
      return true;
    };
    expect(await refused()).toMatch(message);
  });

  it("a list without end", async () => {
    hub.answer = (_, response, { path }) => {
      if (!path.includes("/tree/")) return false;
      response.setHeader("link", `<${hub.endpoint}${path}>; rel="next"`);
      json(response, [file]);
      return true;
    };
    expect(await refused()).toMatch(/no end/);
  });

  it.each([
    ["a page", "<!doctype html><title>Sign in</title>", /a page, as of a proxy/],
    ["half a document", '{"sha": "0123', /not JSON/],
    ["nothing", "", /not JSON/],
    ["no commit", '{"id":"org/flux"}', /names no commit/],
    ["a commit that is a path", '{"id":"org/flux","sha":"../../../x"}', /names no commit/],
    ["null", "null", /answer is none/],
  ])("%s in place of the revision", async (_, text, message) => {
    hub.answer = (_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(text);
      return true;
    };
    expect(await refused()).toMatch(message);
  });

  it.each([
    ["file:///etc/passwd", /where nothing should go/],
    ["http://user:secret@127.0.0.1/x", /where nothing should go/],
    ["", /where nothing should go/],
    ["/api/models/org/flux/revision/main", /in a circle/],
  ])("a redirect to %j", async (location, message) => {
    hub.answer = (_, response, { path }) => {
      if (!path.includes("/revision/")) return false;
      response.writeHead(302, location === "" ? {} : { location }).end();
      return true;
    };
    expect(await refused()).toMatch(message);
  });

  const large = Buffer.from(PIPELINE[LARGE] ?? "");
  const hash = blobName(large);
  it.each([
    [
      "other bytes of the same size",
      noise(large.length, 77),
      {},
      "TRITC_E_HUB_HASH",
      /expected: [0-9a-f]{64}/,
    ],
    ["fewer bytes, said so", large.subarray(5), {}, "TRITC_E_HUB", /is not the file/],
    ["more bytes, said so", Buffer.concat([large, large]), {}, "TRITC_E_HUB", /is not the file/],
    [
      "a page",
      Buffer.from("<html>"),
      { "content-type": "text/html" },
      "TRITC_E_HUB",
      /a page in the place of a file/,
    ],
    [
      "another file's hash",
      large,
      { "x-linked-etag": `"${"c".repeat(64)}"` },
      "TRITC_E_HUB",
      /says two things/,
    ],
    ["another file's size", large, { "x-linked-size": "17" }, "TRITC_E_HUB", /says two things/],
    ["another commit", large, { "x-repo-commit": "d".repeat(40) }, "TRITC_E_HUB", /says two things/],
  ])("a file of %s", async (_, bytes, headers, code, message) => {
    hub.answer = (_, response, { path }) => {
      if (path !== `/${hash}`) return false;
      response.writeHead(200, { "content-length": bytes.length, ...headers }).end(bytes);
      return true;
    };
    expect(await refused(code)).toMatch(message);
    expect(existsSync(blob(LARGE))).toBe(false);
    expect(existsSync(join(repository(), "refs"))).toBe(false);
  });

  it("a file without an end", async () => {
    hub.answer = (_, response, { path }) => {
      if (path !== `/${hash}`) return false;
      response.writeHead(200);
      response.write(large);
      const more = setInterval(() => response.write(large), 5);
      response.on("close", () => clearInterval(more));
      return true;
    };
    expect(await refused()).toMatch(/larger than the hub lists it/);
  });

  it("the wrong range", async () => {
    mkdirSync(dirname(blob(LARGE)), { recursive: true });
    writeFileSync(`${blob(LARGE)}.tritc.incomplete`, large.subarray(0, 1000));
    hub.answer = (_, response, { path }) => {
      if (path !== `/${hash}`) return false;
      const rest = large.subarray(1000);
      response
        .writeHead(206, { "content-length": rest.length, "content-range": "bytes 7-2999999/3000000" })
        .end(rest);
      return true;
    };
    expect(await refused()).toMatch(/is not the file/);
  });

  it("an index that names files elsewhere", async () => {
    const index = JSON.stringify({ weight_map: { a: "../../secret.safetensors" } });
    const stranger = await FakeHub.open({
      "org/flux": {
        files: { ...PIPELINE, "transformer/diffusion_pytorch_model.safetensors.index.json": index },
      },
    });
    await onHub(stranger, async () => expect(await refused()).toMatch(/no part of the model/));
  });

  it("settings without an end", async () => {
    listing({ ...file, size: 2 ** 40 });
    expect(await refused()).toMatch(/too large for settings/);
  });

  it("a model larger than the disk", async () => {
    const size = 2 ** 52;
    const entry = (path: string, bytes: string) => ({
      type: "file",
      path,
      size: bytes.length,
      oid: blobName(bytes),
    });
    listing(entry("transformer/config.json", CONFIG), {
      type: "file",
      path: "transformer/model.safetensors",
      size,
      oid: "e".repeat(40),
      lfs: { oid: "f".repeat(64), size },
    });
    expect(await refused("TRITC_E_HUB_DISK")).toMatch(/4\.504 PB free/);
  });
});
