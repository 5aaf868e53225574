import { openAsBlob } from "node:fs";
import { z } from "zod";
import { readConfig } from "../config.ts";

const view = z.object({
  id: z.string(),
  model_name: z.string(),
  deployment_id: z.string().nullable(),
  desired_state: z.enum(["RUNNING", "STOPPED"]),
  status: z.string(),
  statusMessage: z.string().nullable(),
  cruncher_id: z.string(),
  cruncher_name: z.string(),
  builder_log_uri: z.string().nullable(),
  runner_log_uri: z.string().nullable(),
  source: z.enum(["file", "upload"]).default("upload"),
  error_code: z.string().nullish(),
});
export type ListedModel = z.infer<typeof view>;
const created = z.object({ id: z.string() });
const problem = z.object({ detail: z.string() });

/** The orchestrator's HTTP API, as the command line uses it. Every refusal is an Error with the reason. */
export interface ModelApi {
  list(): Promise<ListedModel[]>;
  find(id: string): Promise<ListedModel>;
  /** @param id of the model that is replaced; absent: a new one @returns its id */
  upload(files: ReadonlyMap<string, string>, fields: Readonly<Record<string, string>>, id?: string): Promise<string>;
  change(id: string, change: object): Promise<void>;
  log(uri: string, follow: boolean): Promise<ReadableStream<Uint8Array>>;
}

export function openModelApi(to: string | undefined): ModelApi {
  const config = readConfig();
  const base = to ?? `http://127.0.0.1:${config.ORCHESTRATOR_HTTP_PORT}`;
  if (!URL.canParse(base) || !/^https?:$/.test(new URL(base).protocol))
    throw new Error(`--to ${base}: give a URL, as in http://127.0.0.1:8001`);
  const key = config.ORCHESTRATOR_API_KEY;

  async function ask(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>), ...(key ? { "x-api-key": key } : {}) };
    const answer = await fetch(new URL(path, base), { ...init, method, headers, redirect: "error" }).catch((error) => {
      const cause = (error as { cause?: Error }).cause?.message ?? String(error);
      throw new Error(
        `No orchestrator answers at ${base} (${cause}). Start the node, or say where it is with --to <url>.`,
      );
    });
    if (answer.ok) return answer;
    const said = problem.safeParse(await answer.json().catch(() => null));
    throw new Error(`${answer.status}: ${said.success ? said.data.detail : "the answer is no orchestrator's"}`);
  }

  return {
    list: async () => z.array(view).parse(await (await ask("GET", "/models")).json()),
    find: async (id) => view.parse(await (await ask("GET", `/models/${encodeURIComponent(id)}`)).json()),
    async upload(files, fields, id) {
      const body = new FormData();
      for (const [name, value] of Object.entries(fields)) body.set(name, value);
      for (const [name, path] of files) body.append("files", await openAsBlob(path), name);
      const path = id === undefined ? "/models" : `/models/${encodeURIComponent(id)}`;
      const answer = await ask(id === undefined ? "POST" : "PATCH", path, { body });
      return created.parse(await answer.json()).id;
    },
    async change(id, change) {
      const init = { body: JSON.stringify(change), headers: { "content-type": "application/json" } };
      await ask("PATCH", `/models/${encodeURIComponent(id)}`, init);
    },
    async log(uri, follow) {
      const { body } = await ask("GET", `${uri}?follow=${follow}`);
      return body ?? new ReadableStream();
    },
  };
}
