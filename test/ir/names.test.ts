/** Names from files that JavaScript's objects have already are names like others, or refused. */
import { describe, expect, it } from "vitest";
import { parseGraph } from "../../ir/graph/parse.js";
import { readSchedulerConfig } from "../../ir/sampling/scheduler-config.js";

describe.each(["constructor", "toString", "hasOwnProperty", "valueOf"])("%s", (name) => {
  it("is no option of a scheduler that is known", () => {
    const config = { _class_name: "FlowMatchEulerDiscreteScheduler", [name]: 1 };
    expect(() => readSchedulerConfig(config)).toThrow(`the option ${name} is set and not supported`);
  });
});

it("an attribute of a graph cannot be __proto__", () => {
  const text = `graph "g" {
  input %x: f32[2]
  %y: f32[2] = unary(%x) {"__proto__": {"fn": "sqrt"}}
  output %y
}`;
  expect(() => parseGraph(text, "graph.ir")).toThrow(/no attribute has this name/);
});
