/** Downloads of the hub that were stopped, and a hub that has no time: what goes on, and when. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { hubModel, hubReference, hubSettings } from "../../compiler/hub/index.js";
import { blobName, send } from "../support/fake-hub.js";
import {
  blob,
  filesBelow,
  home,
  hub,
  LARGE,
  model,
  noise,
  PIPELINE,
  repository,
  snapshot,
  useHub,
  WANTED,
} from "./fixture.js";

useHub();

describe("a download goes on", () => {
  const hash = blobName(PIPELINE[LARGE] ?? "");
  const partial = () => `${blob(LARGE)}.tritc.incomplete`;
  const leave = (bytes: Uint8Array) => {
    mkdirSync(dirname(partial()), { recursive: true });
    writeFileSync(partial(), bytes);
  };
  const whole = () => readFileSync(join(snapshot(), LARGE)).equals(Buffer.from(PIPELINE[LARGE] ?? ""));
  const ranges = () =>
    hub.asked.flatMap(({ host, path, range }) => (host === "store" && path === `/${hash}` ? [range] : []));

  it("from what an earlier process left", async () => {
    leave(Buffer.from(PIPELINE[LARGE] ?? "").subarray(0, 1_234_567));
    const { downloaded } = await model();
    expect(downloaded).toBe(3_110_000 - 1_234_567);
    expect(ranges()).toEqual(["bytes=1234567-2999999"]);
    expect(whole()).toBe(true);
    expect(existsSync(partial())).toBe(false);
  });

  it("after the connection broke", async () => {
    let times = 0;
    hub.answer = (request, response, { host, path }) => {
      if (host !== "store" || path !== `/${hash}` || ++times > 3) return false;
      const from = Number(/\d+/.exec(request.headers.range ?? "0"));
      const rest = Buffer.from(PIPELINE[LARGE] ?? "").subarray(from);
      response.writeHead(from > 0 ? 206 : 200, {
        "content-length": rest.length,
        ...(from > 0 && { "content-range": `bytes ${from}-2999999/3000000` }),
      });
      response.write(rest.subarray(0, 700_000), () => setTimeout(() => response.destroy(), 50));
      return true;
    };
    await model();
    expect(whole()).toBe(true);
    const [first, ...more] = ranges();
    expect(first).toBeUndefined();
    expect(more.length).toBe(3);
    for (const range of more) expect(range).toMatch(/^bytes=[1-9]\d+-2999999$/);
  });

  it("from the beginning where a server takes no ranges", async () => {
    leave(Buffer.from(PIPELINE[LARGE] ?? "").subarray(0, 1_000_000));
    hub.answer = (_, response, { host, path }) => {
      if (host !== "store" || path !== `/${hash}`) return false;
      send(response, Buffer.from(PIPELINE[LARGE] ?? ""), undefined);
      return true;
    };
    await model();
    expect(whole()).toBe(true);
  });

  it("from the beginning where what was left is torn", async () => {
    leave(noise(1_000_000, 99));
    await model();
    expect(ranges()).toEqual(["bytes=1000000-2999999", undefined]);
    expect(whole()).toBe(true);
    leave(noise(4_000_000, 8));
    rmSync(blob(LARGE));
    await model();
    expect(whole()).toBe(true);
  });

  it("after Ctrl-C", async () => {
    const control = new AbortController();
    const reason = new Error("stopped");
    hub.answer = (_, response, { host, path }) => {
      if (host !== "store" || path !== `/${hash}`) return false;
      response.writeHead(200, { "content-length": 3_000_000 });
      response.write(Buffer.from(PIPELINE[LARGE] ?? "").subarray(0, 2_000_000));
      return true;
    };
    const stopped = model("org/flux", {
      signal: control.signal,
      onProgress: (done) => {
        if (done >= 2_000_000) control.abort(reason);
      },
    });
    await expect(stopped).rejects.toBe(reason);
    const { size } = statSync(partial());
    expect(size).toBeGreaterThan(1_000_000);
    expect(existsSync(join(repository(), "refs/main"))).toBe(false);
    expect(readdirSync(join(home, "hub/.locks/models--org--flux"))).toEqual([]);
    hub.answer = () => false;
    hub.asked.length = 0;
    await model();
    expect(ranges()).toEqual([`bytes=${size}-2999999`]);
    expect(whole()).toBe(true);
  });

  it("by one of two at a time", async () => {
    const notices: string[] = [];
    const [one, two] = await Promise.all([
      model(),
      model("org/flux", { onNotice: (text) => notices.push(text) }),
    ]);
    expect(one.path).toBe(two.path);
    expect(ranges().length).toBe(1);
    expect(whole()).toBe(true);
    expect(filesBelow(snapshot())).toEqual([...WANTED].sort());
    expect(readdirSync(join(repository(), "blobs")).filter((name) => name.includes("."))).toEqual([]);
  });
});

describe("a hub that is busy", () => {
  it.each([429, 500, 502, 503])("%d is asked again", async (status) => {
    const times = new Map<string, number>();
    hub.answer = (_, response, { path }) => {
      const count = (times.get(path) ?? 0) + 1;
      times.set(path, count);
      if (count > 2) return false;
      response.writeHead(status, { "retry-after": "0" }).end();
      return true;
    };
    await model("org/flux", { retries: { attempts: 5, firstWait: 5 } });
    expect(filesBelow(snapshot())).toEqual([...WANTED].sort());
  });

  it("is given the time that it asks for", async () => {
    let first = 0;
    let second = 0;
    hub.answer = (_, response) => {
      if (first > 0) {
        second ||= performance.now();
        return false;
      }
      first = performance.now();
      response.writeHead(429, { "retry-after": "1" }).end();
      return true;
    };
    await model();
    expect(second - first).toBeGreaterThan(950);
  });

  it.each([
    [{ "retry-after": "0" }, /gives no answer[\s\S]*found: {4}503/],
    [{ "retry-after": "3600" }, /asks to wait longer[\s\S]*3600 s/],
    [{ "retry-after": new Date(Date.now() + 3_600_000).toUTCString() }, /asks to wait longer/],
  ])("for too long is left: %j", async (headers, message) => {
    hub.answer = (_, response) => {
      response.writeHead(503, headers).end();
      return true;
    };
    const error = await model().catch((error) => error);
    expect(error).toMatchObject({ code: "TRITC_E_HUB_NETWORK" });
    expect(error.message).toMatch(message);
  });

  it("or not there at all", async () => {
    const reference = hubReference("org/flux");
    const settings = hubSettings({ env: { HF_ENDPOINT: "http://127.0.0.1:9", HF_HOME: home } });
    if (reference === undefined) throw new Error("no reference");
    const asked = hubModel(reference, settings, { retries: { attempts: 2, firstWait: 1 } });
    await expect(asked).rejects.toMatchObject({ code: "TRITC_E_HUB_NETWORK" });
  });

  it("that breaks off again and again", async () => {
    hub.answer = (_, response, { host }) => {
      if (host !== "store") return false;
      response.destroy();
      return true;
    };
    await expect(model()).rejects.toMatchObject({ code: "TRITC_E_HUB_NETWORK" });
  });
});

/** Answers of a hub that is none, or that means harm. */
