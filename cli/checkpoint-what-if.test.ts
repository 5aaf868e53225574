import { createServer } from "node:http";
import { afterEach, expect, test, vi } from "vitest";
import type { WhatIfAnswer } from "../api/contract/what-if.ts";
import { runCommand } from "./main.ts";

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const ANSWER: WhatIfAnswer = {
  checkpoint: "CKP_20260112_000000",
  ...{ from: "2026-01-05T00:00:00.000Z", to: "2026-01-12T00:00:00.000Z" },
  ranked_by: { field: "value", direction: "desc" },
  rule: { before: { strategy: "tier", tiers: [35] }, after: { strategy: "tier", tiers: [50, 30, 20] } },
  crunchers: [
    {
      ...{ cruncher_id: "c1", cruncher_name: "anna" },
      frac64: { before: "350000000", after: "500000000", difference: "150000000" },
    },
  ],
  models: [
    {
      ...{ model_id: "m1", model_name: "momentum", cruncher_id: "c1" },
      ...{ rank: { before: 2, after: 1 }, value: { before: 0.5, after: 0.5 } },
      frac64: { before: "350000000", after: "500000000" },
    },
    {
      ...{ model_id: "m2", model_name: "trend", cruncher_id: "c2" },
      ...{ rank: { before: 1, after: null }, value: { before: 0.6, after: null } },
      frac64: { before: "0", after: "0" },
    },
  ],
};

/** Runs the command against a node that gives this answer; what it asked, what was printed, and the exit code. */
async function run(args: readonly string[], status = 200, answer: object = ANSWER) {
  const asked: { path: string; body: unknown }[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => {
      text += String(chunk);
    });
    request.on("end", () => {
      asked.push({ path: request.url!, body: JSON.parse(text) });
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const printed: string[] = [];
  const collect = (text: unknown) => printed.push(String(text)) > 0;
  vi.spyOn(process.stdout, "write").mockImplementation(collect);
  vi.spyOn(process.stderr, "write").mockImplementation(collect);
  vi.spyOn(console, "error").mockImplementation(collect);
  const code = await runCommand(["checkpoint", "what-if", ...args, "--node", `http://127.0.0.1:${port}`]);
  await new Promise((resolve) => server.close(resolve));
  return { asked, code, text: printed.join("") };
}

test("sends what to change, and prints who gains what", async () => {
  const flags = ["--tiers", "50,30,20", "--exclude", "m2,bert", "--exclude", "m 3", "--from", "2026-01-06"];
  const { asked, code, text } = await run(["latest", ...flags]);
  expect(code).toBe(0);
  expect(asked).toEqual([
    {
      path: "/v1/checkpoints/latest/what-if",
      body: { tiers: [50, 30, 20], exclude: ["m2", "bert", "m 3"], from: "2026-01-06" },
    },
  ]);
  expect(text).toContain("  35.0000 % -> 50.0000 %  (+15.0000 %)  anna (c1)\n");
  expect(text).toContain("  rank 2 -> 1  35.0000 % -> 50.0000 %  momentum (m1)\n");
  expect(text).toContain("  rank 1 -> -  0.0000 % -> 0.0000 %  trend (m2)\n");
});

test("asks for the open period and prints JSON", async () => {
  const flags = ["--strategy", "contribution_weighted", "--weights", "0.5,0.3,0.2", "--min-percent", "0"];
  const { asked, text } = await run(["open", ...flags, "--json"]);
  expect(asked[0]).toEqual({
    path: "/v1/what-if",
    body: {
      strategy: "contribution_weighted",
      weights: { rank: 0.5, contribution: 0.3, diversity: 0.2 },
      min_percent: 0,
    },
  });
  expect(JSON.parse(text)).toEqual(ANSWER);
});

test("says why the node refuses", async () => {
  const { code, text } = await run(["latest"], 400, { detail: "tiers: sum to 110 %: write no more than 100" });
  expect([code, text]).toEqual([2, expect.stringContaining("400: tiers: sum to 110 %")]);
});

test.each([
  [["--tiers", "50,x"], /write a number from 0/],
  [["--weights", "1,2"], /write three numbers/],
  [["--strategy", "best"], /Allowed choices are tier, contribution_weighted/],
  [["--from", "yesterday"], /ISO 8601/],
])("%j is wrong usage", async (flags, message) => {
  const { asked, code, text } = await run(["latest", ...flags]);
  expect([code, asked]).toEqual([2, []]);
  expect(text).toMatch(message);
});
