import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connected, example, quiet, startTestFleet, type TestFleet, until } from "../fixtures/test-fleet.ts";
import type { ModelView } from "./model-view.ts";
import { startOrchestrator } from "./orchestrator.ts";

const KEY = "0123456789abcdef-operator";
const MODEL = readFileSync(example("momentum.py"), "utf8");

let fleet: TestFleet;
let base: string;
beforeAll(async () => {
  fleet = await startTestFleet([{ id: "in-file", code: example("mean_reversion.py") }], {
    orchestrator: { http: { host: "127.0.0.1", port: 0 } },
  });
  base = `http://127.0.0.1:${fleet.orchestrator.httpPort}`;
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

type Files = Record<string, string | Buffer>;
function form(files: Files, fields: Record<string, string> = {}): FormData {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  for (const [name, content] of Object.entries(files))
    body.append("files", new Blob([new Uint8Array(Buffer.from(content))]), name);
  return body;
}
const send = (method: string, path: string, body?: FormData | object) =>
  fetch(`${base}${path}`, {
    method,
    ...(body instanceof FormData
      ? { body }
      : body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
const view = async (id: string) => (await (await send("GET", `/models/${id}`)).json()) as ModelView;
async function upload(files: Files, fields?: Record<string, string>): Promise<string> {
  const answer = await send("POST", "/models", form(files, fields));
  const body = (await answer.json()) as { id: string };
  expect([answer.status, body]).toEqual([201, expect.objectContaining({ id: expect.stringMatching(/^u\d+$/) })]);
  return body.id;
}
async function becomes(id: string, status: string): Promise<ModelView> {
  for (const end = Date.now() + 60_000; ; await sleep(50)) {
    const now = await view(id);
    if (now.status === status) return now;
    if (Date.now() > end) throw new Error(`${id} is ${JSON.stringify(now)}, not ${status}`);
  }
}
const logOf = async (uri: string | null, query = "") => (await fetch(`${base}${uri}${query}`)).text();

describe("a model over HTTP", () => {
  test("one .py file: comes, runs, is renamed, stopped, started, replaced without a gap, removed", async () => {
    const client = await fleet.connect();
    const id = await upload({ "model.py": MODEL }, { cruncher_id: "alice" });
    const named = await becomes(id, "RUNNER_RUNNING");
    expect(named).toMatchObject({
      source: "upload",
      cruncher_id: "alice",
      cruncher_name: "alice",
      model_name: expect.stringMatching(/^[a-z]+-[a-z]+$/),
      desired_state: "RUNNING",
      statusMessage: null,
    });
    await connected(client, [id]);
    expect(
      (await client.call({ method: "predict", arguments: [{ type: "STRING", value: "BTC" }], models: [id] }))[0],
    ).toMatchObject({
      status: "SUCCESS",
      output: { value: 0 },
      modelName: named.model_name,
    });

    await send("PATCH", `/models/${id}`, { model_name: "Better name" });
    expect(await view(id)).toMatchObject({
      model_name: "Better name",
      status: "RUNNER_RUNNING",
      deployment_id: named.deployment_id,
    });

    const seen: number[] = [];
    client.onChange((models) => seen.push(models.filter((model) => model.modelId === id).length));
    const patched = await send("PATCH", `/models/${id}`, form({ "model.py": `${MODEL}\n# second\n` }));
    expect(patched.status).toBe(200);
    await until(
      () => client.models().find((model) => model.modelId === id),
      (model) => model !== undefined && model.deploymentId !== named.deployment_id && model.state === "CONNECTED",
    );
    expect(Math.min(...seen)).toBe(1);

    expect((await send("PATCH", `/models/${id}`, form({}, { desired_state: "STOPPED" }))).status).toBe(200);
    await becomes(id, "RUNNER_STOPPED");
    await send("PATCH", `/models/${id}`, { desired_state: "RUNNING" });
    await becomes(id, "RUNNER_RUNNING");
    expect((await send("DELETE", `/models/${id}`)).status).toBe(204);
    expect((await send("GET", `/models/${id}`)).status).toBe(404);
    await until(
      () => client.models().map((model) => model.modelId),
      (ids) => !ids.includes(id),
    );
  });

  test("a folder, its parts known by their paths", async () => {
    const id = await upload({
      "mine/main.py": "from lib.core import Mine\n",
      "mine/lib/__init__.py": "",
      "mine/lib/core.py": MODEL.replace("class Momentum", "class Mine"),
      "mine/__pycache__/main.pyc": "x",
    });
    await becomes(id, "RUNNER_RUNNING");
    const client = await fleet.connect();
    await connected(client, [id]);
    await send("DELETE", `/models/${id}`);
  });

  test("a notebook becomes main.py; its log tells", async () => {
    const cells = ["%matplotlib inline", MODEL, "Momentum().predict('BTC')"].map((source) => ({
      cell_type: "code",
      source,
      metadata: {},
      outputs: [],
    }));
    const id = await upload({
      "research.ipynb": JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells }),
    });
    const running = await becomes(id, "RUNNER_RUNNING");
    expect(await logOf(running.builder_log_uri)).toMatch(/notebook research\.ipynb: main\.py of \d+ lines/);
    const client = await fleet.connect();
    await connected(client, [id]);
    await send("DELETE", `/models/${id}`);
  });

  test("models of the file are listed, and are changed there", async () => {
    await becomes("in-file", "RUNNER_RUNNING");
    const list = (await (await send("GET", "/models")).json()) as ModelView[];
    expect(list.find(({ id }) => id === "in-file")).toMatchObject({
      source: "file",
      model_name: "name-in-file",
      builder_log_uri: null,
    });
    for (const [method, body] of [
      ["DELETE", undefined],
      ["PATCH", { desired_state: "STOPPED" }],
    ] as const) {
      const refused = await send(method, "/models/in-file", body);
      expect([refused.status, await refused.json()]).toEqual([
        409,
        expect.objectContaining({ code: "conflict", errors: [expect.objectContaining({ path: "id" })] }),
      ]);
    }
  });

  test("logs: what a model prints, with follow, and after its end", async () => {
    const id = await upload({
      "model.py": MODEL.replace("def tick", "def say(self, text):\n        print(text, flush=True)\n\n    def tick"),
    });
    const { runner_log_uri, deployment_id } = await becomes(id, "RUNNER_RUNNING");
    const client = await fleet.connect();
    await connected(client, [id]);
    const say = (text: string) =>
      client.call({ method: "say", arguments: [{ type: "STRING", value: text }], models: [id] });
    expect((await say("first line"))[0]?.status).toBe("SUCCESS");
    const followed = await fetch(`${base}${runner_log_uri}?follow=true`);
    let text = "";
    const reading = (async () => {
      for await (const chunk of followed.body!.pipeThrough(new TextDecoderStream())) text += chunk;
    })();
    await until(
      () => text,
      (now) => now.includes("first line"),
    );
    await say("second line");
    await until(
      () => text,
      (now) => now.includes("second line"),
    );
    await send("DELETE", `/models/${id}`);
    await reading;
    await until(
      () => text,
      (now) => now.endsWith("second line\n"),
    );
    const kept = await until(
      () => fleet.orchestrator.info().models,
      (models) => !models.some((model) => model.deploymentId === deployment_id),
    ).then(() => logOf(runner_log_uri));
    expect(kept).toBe("first line\nsecond line\n");
  });
});

describe("refusals are problems with the field named", () => {
  test.each<[string, string, string, FormData | object | undefined, number, string | undefined, RegExp]>([
    ["no files", "POST", "/models", form({}, { model_name: "x" }), 422, "files", /no file came/],
    ["no multipart", "POST", "/models", { model_name: "x" }, 415, undefined, /multipart/],
    ["no program", "POST", "/models", form({ "readme.txt": "x" }), 422, "files", /no program/],
    ["a way out", "POST", "/models", form({ "../../evil.py": "x" }), 422, "files", /leaves its folder/],
    ["two notebooks", "POST", "/models", form({ "a.ipynb": "{}", "b.ipynb": "{}" }), 422, "files", /one notebook/],
    ["a broken zip", "POST", "/models", form({ "a.zip": "PK no" }), 422, "files", /cannot be read/],
    [
      "an unknown field",
      "POST",
      "/models",
      form({ "a.py": "x" }, { cruncher: "x" }),
      422,
      "cruncher",
      /fields are desired_state/,
    ],
    [
      "a bad state",
      "POST",
      "/models",
      form({ "a.py": "x" }, { desired_state: "MAYBE" }),
      422,
      "desired_state",
      /RUNNING/,
    ],
    [
      "a bad cruncher",
      "POST",
      "/models",
      form({ "a.py": "x" }, { cruncher_id: "../x" }),
      422,
      "cruncher_id",
      /letters/,
    ],
    [
      "a long name",
      "POST",
      "/models",
      form({ "a.py": "x" }, { model_name: "n".repeat(129) }),
      422,
      "model_name",
      /128/,
    ],
    [
      "a very long field",
      "POST",
      "/models",
      form({ "a.py": "x" }, { model_name: "n".repeat(5_000) }),
      422,
      "model_name",
      /too long/,
    ],
    ["an unknown model", "PATCH", "/models/nobody", { desired_state: "RUNNING" }, 404, "id", /no model/],
    ["force alone", "PATCH", "/models/in-file", { force: true }, 422, "force", /RUNNING/],
    ["an unknown log", "GET", "/models/logs/builder/..%2f..%2fetc%2fpasswd", undefined, 404, "job", /no builder log/],
    ["an unknown kind of log", "GET", "/models/logs/node/x", undefined, 404, "kind", /builder or runner/],
    ["a bad flag", "GET", "/models/logs/runner/x?follow=maybe", undefined, 422, "follow", /follow/],
    ["another path", "GET", "/etc/passwd", undefined, 404, undefined, /nothing is at/],
  ])("%s", async (_name, method, path, body, status, field, detail) => {
    const before = ((await (await send("GET", "/models")).json()) as ModelView[]).length;
    const answer = await send(method, path, body);
    const problem = (await answer.json()) as { detail: string; errors?: { path: string }[]; status: number };
    expect([answer.status, answer.headers.get("content-type")?.split(";")[0], problem.errors?.[0]?.path]).toEqual([
      status,
      "application/problem+json",
      field,
    ]);
    expect(problem.detail).toMatch(detail);
    expect(((await (await send("GET", "/models")).json()) as ModelView[]).length).toBe(before);
  });
});

describe("a sender that goes away in the middle", () => {
  test("leaves nothing behind, and the next one is served", async () => {
    const socket = connect(fleet.orchestrator.httpPort!, "127.0.0.1");
    const part = '--b\r\ncontent-disposition: form-data; name="files"; filename="main.py"\r\n\r\nx = 1\n';
    socket.write(
      `POST /models HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 9999\r\n\r\n${part}`,
    );
    const incoming = () => readdirSync(join(fleet.folder, "state/submissions")).filter((name) => name.startsWith("."));
    await until(incoming, (names) => names.length === 1);
    socket.destroy();
    await until(incoming, (names) => names.length === 0);
    const id = await upload({ "main.py": MODEL }, { desired_state: "STOPPED" });
    expect((await send("DELETE", `/models/${id}`)).status).toBe(204);
  });
});

/** A request as a browser or a proxy would send it: fetch does not let one set these. */
const status = (port: number, headers: Record<string, string>): Promise<number> =>
  new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path: "/models", headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });

describe("who may", () => {
  test("without a key: this machine, under its own name, from no other page and through no proxy", async () => {
    const port = fleet.orchestrator.httpPort!;
    expect(await status(port, { host: `localhost:${port}` })).toBe(200);
    expect(await status(port, { host: `[::1]:${port}` })).toBe(200);
    expect(await status(port, { host: "evil.example" })).toBe(401);
    expect(await status(port, { host: "127.0.0.1.evil.example" })).toBe(401);
    expect(await status(port, { host: "localhost", origin: "https://evil.example" })).toBe(401);
    expect(await status(port, { host: "localhost", origin: "null" })).toBe(401);
    expect(await status(port, { host: "localhost", "x-forwarded-for": "203.0.113.1" })).toBe(401);
    const answer = await fetch(`${base}/models`);
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("with a key: whoever shows it; open to others without one it does not start", async () => {
    const options = {
      host: "127.0.0.1",
      port: 0,
      crunchId: "c",
      modelsFile: join(fleet.folder, "models.yaml"),
      runnerPort: 0,
      sandbox: "auto",
      python: "python3",
      stateDir: join(fleet.folder, "keyed"),
      logger: quiet,
    } as const;
    await expect(startOrchestrator({ ...options, http: { host: "0.0.0.0", port: 0 } })).rejects.toThrow(
      /needs ORCHESTRATOR_API_KEY/,
    );
    await expect(
      startOrchestrator({ ...options, http: { host: "127.0.0.1", port: fleet.orchestrator.httpPort! } }),
    ).rejects.toThrow(/taken\. .*ORCHESTRATOR_HTTP_PORT/);
    const keyed = await startOrchestrator({ ...options, http: { host: "0.0.0.0", port: 0, apiKey: KEY } });
    try {
      const port = keyed.httpPort!;
      expect(await status(port, { host: "localhost" })).toBe(401);
      expect(await status(port, { host: "x", "x-api-key": "wrong" })).toBe(401);
      expect(await status(port, { host: "x", "x-api-key": KEY })).toBe(200);
      expect(await status(port, { host: "x", authorization: `Bearer ${KEY}` })).toBe(200);
    } finally {
      await keyed.close();
    }
  });
});
