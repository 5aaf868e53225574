import { userInfo } from "node:os";
import { voidResult } from "../api/contract/voids.ts";
import { askNode } from "./report-api.ts";
import type { RoundFlags } from "./round-flags.ts";

export async function voidCommand({ from, to, reason, scope, node, json }: RoundFlags): Promise<void> {
  const body = { from, to, reason, actor: `cli:${userInfo().username}`, ...(scope ? { scope_key: scope } : {}) };
  const done = await askNode({ to: node, method: "POST", path: "/v1/voids", body }, voidResult);
  const sentence = `void ${done.id}: ${done.rounds} rounds, ${done.predictions} predictions, ${done.scores} scores`;
  process.stdout.write(`${json ? JSON.stringify(done) : sentence}\n`);
}
