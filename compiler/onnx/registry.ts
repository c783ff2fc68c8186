import type { OperatorImporter } from "./operation.js";
import * as microsoft from "./ops/contrib.js";
import * as standard from "./ops/index.js";

const DOMAINS: ReadonlyMap<string, ReadonlyMap<string, OperatorImporter>> = new Map([
  ["", new Map<string, OperatorImporter>(Object.entries(standard))],
  ["com.microsoft", new Map<string, OperatorImporter>(Object.entries(microsoft))],
]);

/** The importer of an operator: the function of the same name in `ops/`. */
export function findOperator(domain: string, op: string): OperatorImporter | undefined {
  return DOMAINS.get(domain)?.get(op);
}
