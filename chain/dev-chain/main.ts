import { isIP } from "node:net";
import { z } from "zod";
import { createLedger } from "./ledger.ts";
import { buildServer } from "./server.ts";
import { fileStore } from "./store.ts";

const isLoopback = (host: string): boolean => (isIP(host) === 4 ? host.startsWith("127.") : host === "::1");

const settings = z.strictObject({
  dir: z.string().min(1),
  /** anybody who reaches it has its money: loopback only */
  host: z
    .string()
    .refine(isLoopback, "the dev chain listens on loopback only: leave it out, or say 127.0.0.1 or ::1")
    .default("127.0.0.1"),
  port: z.number().int().min(0).max(65535),
  slotMs: z.number().min(0),
  finalAfterSlots: z.number().int().min(0),
  /** /dev/* routes: tests only */
  dev: z.boolean().default(false),
});

const fail = (message: string): never => {
  process.stderr.write(`${message}\n`);
  process.exit(1);
};

function readSettings(text: string | undefined): z.output<typeof settings> {
  try {
    return settings.parse(JSON.parse(text ?? ""));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll(/\s*\n\s*/g, " ") : String(error);
    return fail(
      `Usage: node chain/dev-chain/main.ts '{"dir":...,"port":8899,"slotMs":400,"finalAfterSlots":32}' (${why})`,
    );
  }
}

async function main(): Promise<void> {
  const { dir, host, port, dev, ...options } = readSettings(process.argv[2]);
  const ledger = createLedger({ ...options, store: fileStore(dir) });
  const app = buildServer(ledger, { dev });
  const url = await app
    .listen({ port, host })
    .catch((error: NodeJS.ErrnoException) =>
      fail(
        error.code === "EADDRINUSE"
          ? `Port ${port} is taken: stop what listens there, or set DEV_CHAIN_PORT to another.`
          : String(error),
      ),
    );
  const stop = async () => {
    await app.close();
    ledger.close();
    process.exit(0);
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  process.stdout.write(`${JSON.stringify({ ready: true, network: "LOCAL", url })}\n`);
}

await main().catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
