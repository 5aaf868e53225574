import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { eventually } from "./world.ts";

export interface Program {
  child: ChildProcess;
  /** lines of standard output, oldest first */
  lines: string[];
  /** waits for a line with that text */
  said(text: string, withinMs?: number): Promise<string>;
  /** SIGKILL, and waits for the end */
  kill(): Promise<void>;
}

const running = new Set<ChildProcess>();
/** What programs that are killed leave behind is gone with this process. */
const scratch = mkdtempSync(join(tmpdir(), "almanac-programs-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** Starts a program beside this file (or at a path from here), with its settings as JSON argument. */
export function run(file: string, settings: object, env: Record<string, string> = {}): Program {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), JSON.stringify(settings)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TMPDIR: scratch, ...env },
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const lines: string[] = [];
  createInterface({ input: child.stdout! }).on("line", (line) => lines.push(line));
  const said = (text: string, withinMs = 60_000) =>
    eventually(async () => {
      const line = lines.find((l) => l.includes(text));
      if (line === undefined) throw new Error(`${file} has not said "${text}", but: ${lines.join(", ")}`);
      return line;
    }, withinMs);
  return { child, lines, said, kill: () => killed(child) };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** Ends whatever a test has left running. */
export const endAll = async (): Promise<void> => void (await Promise.all([...running].map(killed)));

const answer = z.object({ result: z.unknown().optional(), error: z.unknown().optional() });

/** One JSON-RPC call, without a client: what tests count must not depend on what they test. */
export async function ask(url: string, method: string, ...params: unknown[]): Promise<unknown> {
  const { result, error } = answer.parse(await post(url, { jsonrpc: "2.0", id: 1, method, params }));
  if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
  return result;
}

export async function post(url: string, body: object): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
