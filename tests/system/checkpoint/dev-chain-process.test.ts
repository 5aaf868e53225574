import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, expect, test } from "vitest";
import { createRpc } from "../../../chain/solana/rpc.ts";

const root = mkdtempSync(join(tmpdir(), "almanac-chain-process-"));
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const WALLET = "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB";
const main = join(import.meta.dirname, "../../../chain/dev-chain/main.ts");
function start(settings: object): ChildProcess {
  const child = spawn(process.execPath, [
    main,
    JSON.stringify({ dir: join(root, "chain"), slotMs: 400, finalAfterSlots: 5, ...settings }),
  ]);
  children.push(child);
  return child;
}
const ready = async (child: ChildProcess): Promise<{ url: string; network: string }> => {
  const [line] = (await once(child.stdout!, "data")) as [Buffer];
  return JSON.parse(line.toString());
};
const refusal = async (settings: string): Promise<{ code: unknown; said: string }> => {
  const child = spawn(process.execPath, [main, settings]);
  children.push(child);
  const [said, [code]] = await Promise.all([text(child.stderr!), once(child, "exit")]);
  return { code, said: said.trim() };
};

test("kill -9 loses nothing that was answered; SIGTERM ends it well; a taken port is said in a line", async () => {
  let child = start({ port: 0 });
  const { url, network } = await ready(child);
  expect(network).toBe("LOCAL");
  const port = Number(new URL(url).port);
  const rpc = createRpc(url, 2_000);
  const genesis = await rpc.genesis();
  const { blockhash } = await rpc.latestBlockhash();
  await rpc.airdrop(WALLET, 5n);
  child.kill("SIGKILL");
  await once(child, "exit");

  child = start({ port });
  await ready(child);
  expect([await rpc.genesis(), await rpc.balance(WALLET)]).toEqual([genesis, 5n]);
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ id: 1, method: "isBlockhashValid", params: [blockhash] }),
  });
  expect(await answer.json()).toMatchObject({ result: { value: true } });
  expect((await fetch(`${url}/dev/tick`, { method: "POST" })).status).toBe(404);

  const second = start({ port, dir: join(root, "other") });
  const [said, [code]] = await Promise.all([text(second.stderr!), once(second, "exit")]);
  expect([code, said.trim().split("\n")]).toEqual([
    1,
    [`Port ${port} is taken: stop what listens there, or set DEV_CHAIN_PORT to another.`],
  ]);

  child.kill("SIGTERM");
  expect((await once(child, "exit"))[0]).toBe(0);
});

test("settings that cannot be used are said in a line, and nothing but loopback is listened on", async () => {
  for (const [settings, why] of [
    ["nonsense", "not valid JSON"],
    [
      JSON.stringify({ dir: join(root, "x"), port: 0, slotMs: 20, finalAfterSlots: 5, host: "0.0.0.0" }),
      "loopback only",
    ],
    [JSON.stringify({ dir: join(root, "x"), port: 0, slotMs: 20, finalAfterSlots: 5, fault: "lag" }), "fault"],
  ] as const) {
    const { code, said } = await refusal(settings);
    expect([code, said.split("\n").length]).toEqual([1, 1]);
    expect(said).toMatch(/^Usage: node chain\/dev-chain\/main.ts/);
    expect(said).toContain(why);
  }
});
