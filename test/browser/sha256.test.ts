import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Sha256 } from "../../runtime/browser/sha256.js";
import { blobSha256 } from "../../runtime/browser/url-files.js";

/** Bytes without a period that a block length divides. */
function bytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 131 + (i >> 8) * 17 + 7) & 0xff);
}

const reference = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

describe("Sha256", () => {
  it("agrees with Node's at every length around the blocks' ends", () => {
    for (let length = 0; length <= 200; length++) {
      const hash = new Sha256();
      hash.update(bytes(length));
      expect(hash.finish()).toBe(reference(bytes(length)));
    }
  });

  it("does not depend on how the data is cut", () => {
    const data = bytes(10_007);
    for (const piece of [1, 3, 63, 64, 65, 127, 128, 1000]) {
      const hash = new Sha256();
      for (let at = 0; at < data.length; at += piece) hash.update(data.subarray(at, at + piece));
      expect(hash.finish()).toBe(reference(data));
    }
  });
});

describe("blobSha256", () => {
  it("is the same in one piece and in many", async () => {
    const data = bytes(100_003);
    for (const small of [64, 4096, 100_002, 100_003]) {
      expect(await blobSha256(new Blob([data]), small)).toBe(reference(data));
    }
  });
});
