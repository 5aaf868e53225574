import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import type { VariantType } from "../../models/protocol/variant.ts";
import { exchanged } from "./exchanges.ts";

const answer = z.object({ id: z.number(), ok: z.unknown().optional(), error: z.string().optional() });
const result = z.object({
  model_id: z.string(),
  deployment_id: z.string(),
  model_name: z.string().nullable(),
  cruncher_id: z.string().nullable(),
  cruncher_name: z.string().nullable(),
  status: z.enum(["SUCCESS", "FAILED", "TIMEOUT"]),
  /** Python type of the result */
  kind: z.string(),
  result: z.unknown(),
  exec_time_us: z.number(),
  detail: z.string().nullable(),
});
/** What model-runner-client says of one call to one model. */
type PublicResult = z.infer<typeof result>;
const model = z.object({
  model_id: z.string(),
  deployment_id: z.string(),
  model_name: z.string().nullable(),
  port: z.number(),
  consecutive_failures: z.number(),
  consecutive_timeouts: z.number(),
});
const bench = z.object({ ms: z.array(z.number()), cpu_ms: z.number() });

type Typed = readonly [type: VariantType, value: unknown];
export interface PublicCall {
  readonly method: string;
  readonly args?: readonly Typed[];
  readonly kwargs?: Readonly<Record<string, Typed>>;
}
interface CallOptions {
  readonly models?: readonly string[];
  /** seconds */
  readonly timeout?: number;
  /** how the arguments are handed over; `callable` adds the keyword `who` */
  readonly form?: "arguments" | "callable" | "deprecated";
}

/** The public client in a process of its own. */
export interface PublicClient extends AsyncDisposable {
  readonly pid: number;
  models(): Promise<z.infer<typeof model>[]>;
  /** By model id. */
  call(call: PublicCall, options?: CallOptions): Promise<Map<string, PublicResult>>;
  /** Any other request of the driver. Rejects with what Python raised. */
  ask(op: string, more?: object): Promise<unknown>;
  /** ms of each round, CPU ms of the client's process */
  bench(request: {
    rounds: number;
    models: number;
    calls: readonly PublicCall[];
    pause_ms: number;
  }): Promise<z.infer<typeof bench>>;
}

/** Starts model-runner-client and connects it to an orchestrator on loopback. @throws Error with the package's own log */
export async function startPublicClient(
  python: string,
  options: {
    port: number;
    crunchId: string;
    baseClassname: string;
    /** seconds of a call; 10 */
    timeout?: number;
    maxFailures?: number;
    maxTimeouts?: number;
    instanceArgs?: readonly Typed[];
    instanceKwargs?: Readonly<Record<string, Typed>>;
  },
): Promise<PublicClient> {
  const child = spawn(python, ["-B", "-u", join(import.meta.dirname, "python/public_client.py")], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const said: string[] = [];
  child.stderr.on("data", (data) => said.splice(0, Math.max(0, said.push(String(data)) - 50)));
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  child.once("close", (code) => {
    for (const each of waiting.values())
      each.reject(new Error(`the public client ended with ${code}: ${said.join("")}`));
    waiting.clear();
  });
  child.stdin.on("error", () => undefined); // its end is told above
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id, ok, error } = answer.parse(JSON.parse(line));
    const own = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) own?.resolve(ok);
    else own?.reject(new Error(`${error}\n${said.slice(-5).join("")}`));
  });
  let next = 1;
  const ask = (op: string, more: object = {}): Promise<unknown> => {
    const own = Promise.withResolvers<unknown>();
    if (child.exitCode !== null) own.reject(new Error(`the public client ended with ${child.exitCode}`));
    const id = next++;
    waiting.set(id, own);
    child.stdin.write(`${JSON.stringify({ ...more, id, op })}\n`);
    return own.promise;
  };
  const { port, crunchId, baseClassname, timeout = 10, maxFailures, maxTimeouts } = options;
  await ask("start", {
    host: "127.0.0.1",
    port,
    crunch_id: crunchId,
    base_classname: baseClassname,
    timeout,
    retry_interval: 1,
    ...(maxFailures === undefined ? {} : { max_consecutive_failures: maxFailures }),
    ...(maxTimeouts === undefined ? {} : { max_consecutive_timeouts: maxTimeouts }),
    instance_args: options.instanceArgs ?? [],
    instance_kwargs: options.instanceKwargs ?? {},
  }).catch(async (error) => {
    await end(child);
    throw error;
  });
  return {
    pid: child.pid!,
    models: async () =>
      z
        .array(model)
        .parse(await ask("models"))
        .toSorted(byId),
    async call(call, more = {}) {
      const results = z.array(result).parse(await ask("call", { ...call, ...more }));
      // A skipped call went nowhere.
      exchanged(results.filter(({ detail }) => !detail?.startsWith("PREEMPTIVE_SKIP")).length);
      return new Map(results.toSorted(byId).map((each) => [each.model_id, each]));
    },
    async ask(op, more) {
      const said = await ask(op, more);
      exchanged();
      return said;
    },
    bench: async (request) => bench.parse(await ask("bench", request)),
    [Symbol.asyncDispose]: () => end(child),
  };
}

const byId = (a: { model_id: string }, b: { model_id: string }): number => (a.model_id < b.model_id ? -1 : 1);

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "close");
}
