// Dev chains as one process, each with an endpoint that misbehaves and one that does not: node chains-process.ts '{"chains":[...],"fund":"<address>"}'.

import { z } from "zod";
import { createLedger } from "../../../chain/dev-chain/ledger.ts";
import { buildServer } from "../../../chain/dev-chain/server.ts";
import { memoryStore } from "../../../chain/dev-chain/store.ts";

const settings = z.object({
  chains: z.array(z.object({ slotMs: z.number(), finalAfterSlots: z.number() })),
  fund: z.string(),
});
const FUND_LAMPORTS = 50_000_000_000n;

const { chains, fund } = settings.parse(JSON.parse(process.argv[2]!));
const endpoints: { rpcUrl: string; honestUrl: string }[] = [];
for (const timing of chains) {
  const ledger = createLedger({ ...timing, store: memoryStore });
  ledger.airdrop(fund, FUND_LAMPORTS);
  ledger.skip(timing.finalAfterSlots + 1);
  const listening = () => buildServer(ledger, { dev: true }).listen({ port: 0, host: "127.0.0.1" });
  endpoints.push({ rpcUrl: await listening(), honestUrl: await listening() });
}
process.stdout.write(`${JSON.stringify({ ready: true, network: "LOCAL", endpoints })}\n`);
