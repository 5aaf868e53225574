import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { DecisionInput } from "../domain/decision.ts";
import { ensureSigningKey } from "../local/signing-key.ts";
import { askedOf, requireSignature } from "../workflows/decision-check.ts";
import { runCommand } from "./main.ts";

const dir = mkdtempSync(join(tmpdir(), "almanac-cli-"));
const key = join(dir, "alice.json");
const view = {
  ...{ id: "CKP_20261121_000000", status: "PENDING", phase: "AWAITING_APPROVAL", cause: null, tx_hash: null },
  ...{ period_start: "2026-11-14T00:00:00.000Z", period_end: "2026-11-21T00:00:00.000Z", submitted_at: null },
  ...{ created_at: "2026-11-21T00:00:01.000Z", merkle_root: "9f", emission_hash: "3c", version: 7, model_count: 1 },
  ...{ snapshot_count: 1, workflow_id: "w", approvals: [], approvals_needed: 1, objection_until: null },
  open_decisions: ["approve", "void"],
  emission: [
    { cruncher_id: "c", cruncher_name: "alice", cruncher_index: 4, wallet: "7Qx", models: ["m"], frac64: "1000000000" },
  ],
};
const result = { id: view.id, action: "approve", actor: "alice", phase: "PLANNED", status: "PENDING", waits_for: null };
let network = "DEVNET";
let answer = { status: 200, body: result as object };
let asked: { url: string; headers: IncomingMessage["headers"]; body: DecisionInput }[] = [];
let [server, node]: [Server, string] = [] as never;
const out = { stdout: "", stderr: "" };

beforeAll(async () => {
  ensureSigningKey(key);
  server = createServer(async (request, response) => {
    const say = (status: number, body: object) => response.writeHead(status).end(JSON.stringify(body));
    const url = request.url!;
    if (url === "/info")
      return say(200, {
        ...{ crunch_id: "btc", crunch_address: "Crunch1", network, title: "t", version: "1", sandbox: "none" },
        ...{ temporal_ui: "http://t", namespaces: { rounds: "r", checkpoints: "c" } },
      });
    if (request.method === "GET") return say(200, view);
    asked.push({ url, headers: request.headers, body: JSON.parse(await text(request)) as DecisionInput });
    return say(answer.status, answer.body);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  node = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(dir, { recursive: true });
});
beforeEach(() => {
  [asked, network, answer] = [[], "DEVNET", { status: 200, body: result }];
  Object.assign(out, { stdout: "", stderr: "" });
  process.exitCode = undefined;
  for (const name of ["stdout", "stderr"] as const)
    vi.spyOn(process[name], "write").mockImplementation((chunk) => {
      out[name] += String(chunk);
      return true;
    });
  vi.spyOn(console, "error").mockImplementation((line) => {
    out.stderr += `${line}\n`;
  });
});
afterEach(() => vi.restoreAllMocks());

const run = (...args: string[]) => runCommand(["checkpoint", ...args, "--node", node]);

/** What the workflow of that checkpoint says to an argument. */
function accepted(action: "approve" | "void", input: DecisionInput): string {
  const bytes = (JSON.parse(readFileSync(key, "utf8")) as number[]).slice(32);
  const publicKey = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const control = {
    ...{ network: "DEVNET", crunch: "Crunch1", emissionHash: "3c", signed: true, approvalsNeeded: 1 },
    ...{ approvers: [{ address: input.approver!, publicKey }], objectionUntilMs: 0, approvals: [], answered: [] },
  };
  const at = {
    id: view.id,
    phase: "AWAITING_APPROVAL",
    attempt: 1,
    hasEmission: true,
    txHash: null,
    cause: null,
  } as const;
  const decided = askedOf(control, at, action, input, String);
  requireSignature(control, decided, input, Date.now());
  return decided.actor;
}

describe("sign", () => {
  test("prints the argument that the workflow takes, and sends nothing", async () => {
    expect(await run("sign", "latest", "void", "--reason", "wrong truth", "--key", key, "--valid", "1h")).toBe(0);
    const input = JSON.parse(out.stdout) as DecisionInput;
    expect(accepted("void", input)).toBe(input.approver);
    expect(() => accepted("approve", input)).toThrow("does not belong");
    expect(Date.parse(input.expires_at!) - Date.now()).toBeGreaterThan(3_500_000);
    expect(asked).toEqual([]);
  });
  test("a key file that others can read, a void without reason and an unknown action are refused", async () => {
    expect(await run("sign", "latest", "void", "--key", key)).toBe(2);
    expect(await run("sign", "latest", "pay", "--key", key)).toBe(2);
    chmodSync(key, 0o644);
    expect(await run("sign", "latest", "approve", "--key", key)).toBe(1);
    chmodSync(key, 0o600);
    expect(out.stderr).toMatch(/void wants a reason[\s\S]*Allowed choices[\s\S]*chmod 600/);
  });
});

describe("approve", () => {
  const YES = ["--yes", "--confirm", view.id];
  test("shows the plan, signs, names the version it looked at, and sends one key", async () => {
    expect(await run("approve", "latest", "--key", key, ...YES)).toBe(0);
    const [{ url, headers, body }] = asked as [(typeof asked)[number]];
    expect(url).toBe(`/v1/checkpoints/${view.id}/approvals`);
    expect(headers).toMatchObject({ "if-match": `"${view.id}-7"`, "idempotency-key": body.key });
    expect(accepted("approve", body)).toBe(body.approver);
    expect(out.stderr).toMatch(/100\.0000 % {2}alice[\s\S]*is submitted on DEVNET, and 1 crunchers are paid/);
    expect(out.stdout).toBe(`${view.id} is PLANNED (by alice)\n`);
  });
  test("off LOCAL it wants the key, and --confirm with the right id beside --yes; --dry-run sends nothing", async () => {
    expect(await run("approve", "latest", ...YES)).toBe(2);
    expect(await run("approve", "latest", "--key", key, "--yes")).toBe(2);
    expect(await run("approve", "latest", "--key", key, "--yes", "--confirm", "CKP_other")).toBe(2);
    expect(await run("approve", "latest", "--key", key, "--dry-run")).toBe(0);
    expect(asked).toEqual([]);
  });
  test("on LOCAL it goes unsigned, under the user's name", async () => {
    network = "LOCAL";
    expect(await run("approve", "latest", "--yes", "--json", "--idempotency-key", "again")).toBe(0);
    expect(asked[0]).toMatchObject({
      headers: { "idempotency-key": "again" },
      body: { actor: expect.stringMatching(/^cli:/) },
    });
    expect(JSON.parse(out.stdout)).toEqual(result);
  });
  test.each([
    [409, 5],
    [412, 5],
    [403, 1],
    [404, 4],
    [503, 7],
  ])("an answer %d is exit code %d, with the node's words", async (status, code) => {
    answer = { status, body: { detail: "as the node says" } };
    expect(await run("approve", "latest", "--key", key, ...YES)).toBe(code);
    expect(out.stderr).toContain("as the node says");
    expect(out.stderr.includes("--idempotency-key")).toBe(status === 503);
  });
  test("what is not open is a conflict before anything is sent", async () => {
    expect(await run("retry", "latest", "--key", key, ...YES)).toBe(5);
    expect(out.stderr).toContain("is AWAITING_APPROVAL: retry is not open");
    expect(asked).toEqual([]);
  });
});
