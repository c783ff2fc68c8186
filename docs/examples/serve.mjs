// Pictures over HTTP: node serve.mjs <bundle> <port>, then GET /?prompt=a+photo+of+a+ring&seed=7
import { createServer } from "node:http";
import { openGenerator } from "tritc/runtime/node";

const [bundle, port] = process.argv.slice(2);
const generator = await openGenerator(bundle);

const server = createServer(async (request, response) => {
  const query = new URL(request.url, "http://localhost").searchParams;
  // A visitor who leaves takes the picture back; pictures of the others are drawn one after another.
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  try {
    const { png } = await generator.generate({
      prompt: query.get("prompt") ?? "",
      seed: Number(query.get("seed") ?? 0),
      signal: gone.signal,
    });
    response.writeHead(200, { "content-type": "image/png" }).end(png);
  } catch (error) {
    response.writeHead(400, { "content-type": "text/plain" }).end(error.message);
  }
});
server.listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));

process.once("SIGTERM", async () => {
  server.close();
  await generator.close();
});
