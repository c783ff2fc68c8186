import { expect, it } from "vitest";
import { blocksOf } from "./markdown.js";

it("finds commands and modules of a page, and which of them run", () => {
  const page = `# Title

    npx tritc doctor

    npx tritc targets

Text, and what it prints:

    ok  Node.js

<!-- not run: needs a GPU -->

    npx tritc run bundle \\
      --prompt x

\`\`\`js
await 1;
\`\`\`

<!-- not run: another one -->
\`\`\`sh
npm ci
\`\`\`

\`\`\`ts
2;
\`\`\`
`;
  expect(blocksOf(page)).toEqual([
    { kind: "sh", text: "npx tritc doctor\n\nnpx tritc targets\n", runs: true },
    { kind: "sh", text: "npx tritc run bundle \\\n  --prompt x\n", runs: false },
    { kind: "js", text: "await 1;\n", runs: true },
    { kind: "sh", text: "npm ci\n", runs: false },
    { kind: "js", text: "2;\n", runs: true },
  ]);
});
