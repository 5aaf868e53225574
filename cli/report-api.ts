import type { z } from "zod";
import { legacyError } from "../api/contract/common.ts";
import { readConfig } from "../config.ts";
import { EXIT, ExitError } from "./exit.ts";

interface Question {
  to?: string | undefined;
  method?: string;
  path: string;
  body?: object;
  headers?: Record<string, string>;
}

/** Asks the node's report API, with its key where one is set. Gives the parsed answer; every refusal is an Error with the reason. */
export async function askNode<T>(
  { to, method = "GET", path, body, headers = {} }: Question,
  answerOf: z.ZodType<T>,
): Promise<T> {
  const { REPORT_API_PORT, API_KEY } = readConfig();
  const base = to ?? `http://127.0.0.1:${REPORT_API_PORT}`;
  if (!URL.canParse(base) || !/^https?:$/.test(new URL(base).protocol))
    throw new Error(`--to ${base}: give a URL, as in http://127.0.0.1:8000`);
  const answer = await fetch(new URL(path, base), {
    method,
    redirect: "error",
    headers: {
      ...(API_KEY ? { "x-api-key": API_KEY } : {}),
      ...(body ? { "content-type": "application/json" } : {}),
      ...headers,
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  }).catch((error) => {
    const cause = (error as { cause?: Error }).cause?.message ?? String(error);
    throw new ExitError(
      EXIT.unreachable,
      `No node answers at ${base} (${cause}). Start the node, or say where it is with --to <url>.`,
    );
  });
  const said: unknown = await answer.json().catch(() => null);
  if (answer.ok) return answerOf.parse(said);
  throw new ExitError(EXIT_OF[answer.status] ?? FAILED, `${answer.status}: ${reasonOf(said)}`);
}

const FAILED = 1;
const EXIT_OF: Record<number, number> = {
  ...{ 400: EXIT.usage, 422: EXIT.usage, 404: EXIT.notFound, 409: EXIT.conflict, 412: EXIT.conflict },
  503: EXIT.unreachable,
};

/** One sentence, or one for each parameter that was refused. */
function reasonOf(said: unknown): string {
  const problem = legacyError.safeParse(said);
  if (!problem.success) return "the answer is no node's";
  const { detail } = problem.data;
  return typeof detail === "string"
    ? detail
    : detail.map(({ loc, msg }) => `${loc.slice(1).join(".")}: ${msg}`).join("; ");
}
