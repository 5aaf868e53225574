import { execFileSync } from "node:child_process";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { askJson } from "./http-json.ts";
import { freePort } from "./ports.ts";

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  onTestFinished(() => void server.close().closeAllConnections());
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("asks for JSON, or posts it; status and body come back", async () => {
  const url = await serve((request, response) => {
    let text = "";
    request.on("data", (part: Buffer) => {
      text += part.toString();
    });
    request.on("end", () => {
      const { method, url: path, headers } = request;
      response.writeHead(path === "/no" ? 404 : 200).end(JSON.stringify({ method, text, key: headers["x-api-key"] }));
    });
  });
  const withinMs = 20_000;
  expect(await askJson(url, { headers: { "x-api-key": "k" }, withinMs })).toEqual({
    status: 200,
    body: { method: "GET", text: "", key: "k" },
  });
  expect(await askJson(`${url}/no`, { body: { a: "ä" }, withinMs })).toEqual({
    status: 404,
    body: { method: "POST", text: '{"a":"ä"}' },
  });
});

test("no JSON, no answer in time, half an answer, nobody there: each rejects", async () => {
  const text = await serve((_, response) => void response.end("hello"));
  await expect(askJson(text, { withinMs: 20_000 })).rejects.toThrow("HTTP 200, no JSON");
  const silent = await serve(() => undefined);
  await expect(askJson(silent, { withinMs: 100 })).rejects.toMatchObject({ name: "AbortError" });
  const half = await serve((_, response) => void response.write('{"a":', () => response.destroy()));
  await expect(askJson(half, { withinMs: 20_000 })).rejects.toThrow();
  await expect(askJson(`http://127.0.0.1:${await freePort()}`, { withinMs: 20_000 })).rejects.toMatchObject({
    code: "ECONNREFUSED",
  });
});

test("undici is not loaded for it", () => {
  const module = pathToFileURL(join(import.meta.dirname, "http-json.ts")).href;
  const loads = (code: string) =>
    execFileSync(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `${code}; console.log(process.moduleLoadList.some((name) => name.includes("undici")))`,
      ],
      { encoding: "utf8" },
    ).trim();
  const ask = `const { askJson } = await import(${JSON.stringify(module)})`;
  expect(loads(`${ask}; await askJson("http://127.0.0.1:1", { withinMs: 9000 }).catch(() => undefined)`)).toBe("false");
  expect(loads(`await fetch("http://127.0.0.1:1").catch(() => undefined)`)).toBe("true");
});
