import Fastify, { type FastifyInstance } from "fastify";
import { z } from "zod";
import { INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, RpcError } from "./errors.ts";
import { type Faults, faultSettings, noFaults, take } from "./faults.ts";
import type { Ledger } from "./ledger.ts";
import { createMethods, signatureOf } from "./methods.ts";

const BODY_LIMIT_BYTES = 1 << 20;
const MAX_BATCH = 100;
const LOOPBACK_HOSTS = new Set(["127.0.0.1", "localhost", "[::1]"]);

const request = z.object({ id: z.unknown(), method: z.string(), params: z.array(z.unknown()).default([]) });

class GatewayTimeout extends Error {}

export interface ServerOptions {
  /** offers /dev/*: slots, forks and faults at will; tests only */
  dev: boolean;
}

/** JSON-RPC over HTTP for one ledger. The caller listens (loopback only) and closes. */
export function buildServer(ledger: Ledger, { dev }: ServerOptions): FastifyInstance {
  const app = Fastify({ bodyLimit: BODY_LIMIT_BYTES });
  const faults = noFaults();
  const answer = answering(createMethods(ledger, faults), faults);
  // A page in a browser may reach loopback under a name of its own: money that anybody can ask for stays on this machine.
  app.addHook("onRequest", async ({ host }, reply) => {
    if (!LOOPBACK_HOSTS.has(host.replace(/:\d+$/, "")))
      return reply.code(403).send("LOCAL dev chain: ask it by 127.0.0.1, ::1 or localhost\n");
  });
  app.post("/", async ({ body }, reply) => {
    if (take(faults, "error5xx")) return reply.code(503).send("unavailable");
    try {
      return Array.isArray(body) ? batch(body, answer) : answer(body);
    } catch (error) {
      if (error instanceof GatewayTimeout) return reply.code(504).send("gateway timeout");
      throw error;
    }
  });
  app.get("/health", async () => ({
    status: "ok",
    network: "LOCAL",
    genesis: ledger.genesis,
    slot: ledger.clock.slot(),
  }));
  if (dev) addDevRoutes(app, ledger, faults);
  return app;
}

type Answer = (body: unknown) => object;

function answering(methods: ReturnType<typeof createMethods>, faults: Faults): Answer {
  const call = (method: string, params: readonly unknown[]): unknown => {
    if (method !== "sendTransaction") return methods[method]!(params);
    if (take(faults, "dropSend")) return signatureOf(params);
    const signature = methods.sendTransaction!(params);
    if (take(faults, "acceptThenTimeout")) throw new GatewayTimeout("gateway timeout");
    return signature;
  };
  return (body) => {
    const parsed = request.safeParse(body);
    if (!parsed.success) return failure(null, new RpcError(INVALID_REQUEST, "Invalid request"));
    const { id, method, params } = parsed.data;
    if (!Object.hasOwn(methods, method))
      return failure(id, new RpcError(METHOD_NOT_FOUND, `Method not found: ${method}`));
    try {
      return { jsonrpc: "2.0", id, result: call(method, params) };
    } catch (error) {
      if (error instanceof GatewayTimeout) throw error;
      return failure(id, error instanceof RpcError ? error : new RpcError(INTERNAL_ERROR, String(error)));
    }
  };
}

function batch(requests: unknown[], answer: Answer): object {
  if (requests.length === 0) return failure(null, new RpcError(INVALID_REQUEST, "Invalid request: an empty batch"));
  if (requests.length > MAX_BATCH)
    return failure(null, new RpcError(INVALID_REQUEST, `Invalid request: a batch has at most ${MAX_BATCH} requests`));
  return requests.map(answer);
}

function addDevRoutes(app: FastifyInstance, ledger: Ledger, faults: Faults): void {
  const slots = z.object({ n: z.number().int().min(0).default(1) });
  app.post("/dev/tick", async ({ body }) => {
    ledger.skip(slots.parse(body ?? {}).n);
    return { slot: ledger.clock.slot() };
  });
  app.post("/dev/rollback", async ({ body }) => {
    ledger.rollback(z.object({ slot: z.number().int() }).parse(body).slot);
    return { slot: ledger.clock.slot() };
  });
  // Only what is named changes.
  app.post("/dev/faults", async ({ body }) =>
    Object.assign(faults, faultSettings.parse({ ...faults, ...z.record(z.string(), z.unknown()).parse(body) })),
  );
}

const failure = (id: unknown, { code, message, data }: RpcError) => ({
  jsonrpc: "2.0",
  id: id ?? null,
  error: data === undefined ? { code, message } : { code, message, data },
});
