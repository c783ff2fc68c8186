import type { ByteReader } from "../../ir/constant/constant.js";
import type { Node, ValueId } from "../../ir/graph/graph.js";
import type { OpName } from "../../ir/ops/index.js";
import type { Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";
import { ARITHMETIC_RULES } from "./canonicalize/arithmetic-rules.js";
import { ATTRIBUTE_RULES, constantRules } from "./canonicalize/attribute-rules.js";
import { EINSUM_RULES } from "./canonicalize/einsum-rules.js";
import { EXPAND_RULES } from "./canonicalize/expand-rules.js";
import { LINEAR_RULES } from "./canonicalize/linear-rules.js";
import { LOW_RANK_RULES } from "./canonicalize/low-rank-rules.js";
import { mergeDuplicates } from "./canonicalize/merge-duplicates.js";
import { PART_RULES } from "./canonicalize/part-rules.js";
import { RESHAPE_RULES } from "./canonicalize/reshape-rules.js";
import type { Rule } from "./canonicalize/rule.js";

/** Every rule makes a graph smaller or closer to the canonical form; more steps than this mean that two disagree. */
const MOST_STEPS_PER_NODE = 200;

/**
 * Gives every computation one form, so that recognition needs one pattern for each.
 *
 *   %a = unsqueeze(%x, [-1]); %b = squeeze(%a, [1]); %c = pow(%b, 2); %d = max(%c, -65504)
 *   →  %b = reshape(%x, [img_tokens, 64]); %d = mul(%b, %b)
 *
 * The rules are in `canonicalize/*-rules.ts`, each under its equation; they run to a fixpoint, and
 * duplicates are merged in between.
 */
export const canonicalize: Pass = {
  name: "canonicalize",
  summary: "gives every computation one form and merges duplicates",
  run(graph, context) {
    const edit = new GraphEditor(graph);
    const rules = ruleTable(context.reader);
    const queue = new Queue();
    edit.onChange((result) => queue.push(result));
    for (const node of graph.nodes) queue.push(node.outputs[0] ?? "");
    const applied = new Map<string, number>();
    let steps = MOST_STEPS_PER_NODE * (graph.nodes.length + 50);
    do {
      for (let result = queue.pop(); result !== undefined; result = queue.pop()) {
        const node = edit.producer(result);
        if (node === undefined) continue;
        const name = applyFirst(rules.get(node.op) ?? [], node, edit);
        if (name === undefined) continue;
        applied.set(name, (applied.get(name) ?? 0) + 1);
        queue.push(result);
        if (steps-- === 0) throw new Error(`the rules do not reach a fixpoint; the last one was ${name}`);
      }
    } while (mergeDuplicates(edit) > 0);
    for (const [name, count] of applied) context.log?.(`canonicalize: ${name} ${count}`);
    return edit.finish();
  },
};

/** The rule table, in the order in which rules are tried. */
export function canonicalRules(reader: ByteReader): readonly Rule[] {
  return [
    ...constantRules(reader),
    ...ATTRIBUTE_RULES,
    ...RESHAPE_RULES,
    ...PART_RULES,
    ...EXPAND_RULES,
    ...ARITHMETIC_RULES,
    ...LINEAR_RULES,
    ...LOW_RANK_RULES,
    ...EINSUM_RULES,
  ];
}

function ruleTable(reader: ByteReader): ReadonlyMap<OpName, readonly Rule[]> {
  const table = new Map<OpName, Rule[]>();
  for (const rule of canonicalRules(reader)) {
    for (const op of rule.ops) {
      const list = table.get(op);
      if (list === undefined) table.set(op, [rule]);
      else list.push(rule);
    }
  }
  return table;
}

function applyFirst(rules: readonly Rule[], node: Node, edit: GraphEditor): string | undefined {
  for (const rule of rules) if (rule.apply(node, edit.at(node))) return rule.name;
  return undefined;
}

/** First in, first out; a node, named by its first result, that waits already is not queued again. */
class Queue {
  readonly #waiting = new Set<ValueId>();
  #results: ValueId[] = [];
  #head = 0;

  push(result: ValueId): void {
    if (this.#waiting.has(result)) return;
    this.#waiting.add(result);
    this.#results.push(result);
  }

  pop(): ValueId | undefined {
    const result = this.#results[this.#head];
    if (result === undefined) {
      this.#results = [];
      this.#head = 0;
      return undefined;
    }
    this.#head++;
    this.#waiting.delete(result);
    return result;
  }
}
