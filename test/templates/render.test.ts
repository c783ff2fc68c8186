import Handlebars from "handlebars";
import { describe, expect, it } from "vitest";
import { TritcError } from "../../ir/errors.js";
import { TARGETS, targetByName } from "../../targets/index.js";
import { HELPERS } from "../../templates/helpers.js";
import { renderTemplate } from "../../templates/render.js";
import { checkTemplate, splicePartials } from "../../templates/template-check.js";

const HEADER = "{{!-- A kernel.\n  @param n  channels\n  @param list  items\n--}}\n";

/** Checks a template's text; returns its declared parameters. */
function check(text: string, files: Readonly<Record<string, string>> = {}): readonly string[] {
  const ast = splicePartials(Handlebars.parse(text), (path) => Handlebars.parse(files[path] ?? ""));
  return checkTemplate(ast, Object.keys(HELPERS));
}

describe("template check", () => {
  it("accepts declared names, block parameters, helpers and partials", () => {
    const body = `{{n}} {{#for list as |item i|}}{{item.name}} {{add i n 1}}{{> part}}{{/for}}`;
    expect(check(HEADER + body, { part: "{{item.other}} {{n}}" })).toEqual(["n", "list"]);
  });

  it.each([
    ["a name that is not declared", "{{n}}{{list}}{{m}}", /parameter m is used but not declared/],
    ["a name in a branch that may not be taken", "{{n}}{{#if list}}{{m}}{{/if}}", /parameter m is used/],
    ["a name as an operand", "{{n}}{{list}}{{add n m}}", /parameter m is used/],
    ["a name in a partial", "{{n}}{{list}}{{> part}}", /parameter q is used/],
    ["a parameter without use", "{{n}}", /list is declared but not used/],
    ["an unknown helper", "{{n}}{{list}}{{shout n}}", /no helper shout/],
    ["each, which changes the context", "{{n}}{{#each list}}{{/each}}", /no helper each/],
    ["this", "{{n}}{{#for list as |x|}}{{this}}{{/for}}", /not a parameter name/],
    ["parent paths", "{{n}}{{#for list as |x|}}{{../n}}{{/for}}", /not a parameter name/],
    ["data variables", "{{n}}{{#for list as |x|}}{{@index}}{{/for}}", /not a parameter name/],
    ["a block parameter out of scope", "{{n}}{{#for list as |x|}}{{/for}}{{x}}", /parameter x is used/],
  ])("refuses %s", (_, body, message) => {
    expect(() => check(HEADER + body, { part: "{{q}}" })).toThrow(message);
  });

  it("refuses a template without a header", () => {
    expect(() => check("{{n}}")).toThrow(/no header/);
  });
});

describe("renderTemplate", () => {
  const template = "layer-norm/layer-norm.wat.hbs";
  const arg = { name: "x", address: 4, stride: 8, shift: 2, byRow: true };
  const values = { args: [arg], c: 6, tail: 2, epsilon: 1e-6, scale: false, bias: false, tileM: 4 };

  it("fills in values and does not escape", () => {
    const text = renderTemplate(template, values);
    expect(text).toContain("(i32.const 16)");
    expect(text).not.toContain("&");
    expect(text).not.toContain("{{");
  });

  it.each([
    [
      "a missing value",
      Object.fromEntries(Object.entries(values).filter(([name]) => name !== "tileM")),
      /tileM has no value/,
    ],
    ["an undeclared value", { ...values, extra: 1 }, /extra is not a declared parameter/],
    ["NaN", { ...values, c: Number.NaN }, /c is NaN/],
    ["a list item without a field", { ...values, args: [{ name: "x" }] }, /got undefined|not defined/],
    ["a value of the wrong kind", { ...values, args: 3 }, /takes a list/],
  ])("refuses %s", (_, bad, message) => {
    const render = () => renderTemplate(template, bad);
    expect(render).toThrow(TritcError);
    expect(render).toThrow(message);
  });
});

describe("helpers", () => {
  it("divide exactly and assert", () => {
    const div = HELPERS.div as (...operands: readonly unknown[]) => unknown;
    expect(div(12, 4, {})).toBe(3);
    expect(() => div(10, 4, {})).toThrow(/not a multiple/);
    expect(() => HELPERS.assert!(false, "tiles divide")).toThrow(/tiles divide/);
  });
});

describe("targets", () => {
  it("are found by name", () => {
    for (const target of TARGETS) expect(targetByName(target.name)).toBe(target);
    expect(() => targetByName("tpu")).toThrow(/cpu, webgpu/);
  });
});
