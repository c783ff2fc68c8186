import { statSync } from "node:fs";
import * as path from "node:path";
import { noteLook } from "../first-looks.js";
import { badExternalData } from "./errors.js";

/** What a `TensorProto` says of where its bytes are. */
export interface ExternalEntry {
  readonly key: string;
  readonly value: string;
}

export interface ExternalRange {
  /** Absolute path. */
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/**
 * Resolves external tensor data to a byte range without reading it.
 *
 * The location is contained in the model's own directory by its text, before links are resolved: Hugging
 * Face caches are links into a store of blobs, so where a link leads says nothing.
 * @param directory absolute path of the folder the model file is in
 * @param expected bytes that the tensor's shape and type take
 */
export function resolveExternal(
  entries: readonly ExternalEntry[],
  directory: string,
  expected: number,
  place: string,
): ExternalRange {
  const values = new Map<string, string>();
  for (const { key, value } of entries) {
    if (values.has(key)) throw badExternalData(place, `external data gives "${key}" twice`);
    values.set(key, value);
  }
  const location = values.get("location");
  if (location === undefined) throw badExternalData(place, "external data has no location");
  const file = contain(location, directory, place);
  const size = sizeOf(file, location, place);
  const offset = number("offset", values.get("offset"), place) ?? 0;
  const length = number("length", values.get("length"), place) ?? expected;
  if (length !== expected) {
    throw badExternalData(place, "external data has another length than the tensor's shape and type take", {
      expected: `${expected} bytes`,
      found: `length ${length}`,
    });
  }
  if (offset + length > size) {
    throw badExternalData(place, `external data ends after the end of "${location}"`, {
      expected: `at most ${size} bytes`,
      found: `offset ${offset} + length ${length}`,
    });
  }
  return { file, offset, length };
}

function contain(location: string, directory: string, place: string): string {
  const remedy = "external data must lie in the folder of the model, or below it";
  const found = location;
  if (location === "" || location.includes("\0")) {
    throw badExternalData(place, "the location of external data is not a file name", { found, remedy });
  }
  if (path.posix.isAbsolute(location) || path.win32.isAbsolute(location) || /^[A-Za-z]:/.test(location)) {
    throw badExternalData(place, "the location of external data is an absolute path", { found, remedy });
  }
  if (location.split(/[/\\]/).includes("..")) {
    throw badExternalData(place, `the location of external data leaves the model's folder through ".."`, {
      found,
      remedy,
    });
  }
  const file = path.resolve(directory, location);
  const relative = path.relative(directory, file);
  if (relative === "" || relative.startsWith("..") || path.isAbsolute(relative)) {
    throw badExternalData(place, "the location of external data is not a file in the model's folder", {
      found,
      remedy,
    });
  }
  return file;
}

function sizeOf(file: string, location: string, place: string): number {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) {
    throw badExternalData(place, `the external data file "${location}" does not exist`, {
      remedy: "download all files of the model into one folder",
    });
  }
  if (!stat.isFile()) throw badExternalData(place, `the external data "${location}" is not a regular file`);
  noteLook(file, stat);
  return Number(stat.size);
}

function number(key: string, text: string | undefined, place: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw badExternalData(place, `the ${key} of external data is not a byte count`, {
      expected: "a whole number from 0 to 2^53 - 1",
      found: text,
    });
  }
  return value;
}
