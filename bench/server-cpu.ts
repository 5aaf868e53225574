import { readFileSync } from "node:fs";
import { sql } from "kysely";
import type { Database } from "../db/database.ts";

/** CPU seconds of the PostgreSQL server so far, ended connections included (Linux; elsewhere 0). */
export async function serverCpu(db: Database): Promise<number> {
  const { rows } = await sql<{ pid: number }>`select pid from pg_stat_activity`.execute(db);
  const living = rows.map(({ pid }) => statOf(pid));
  const postmaster = statOf(living.find((stat) => stat.length > 0)?.[1] ?? 0);
  const own = [...living, postmaster].map((stat) => (stat[11] ?? 0) + (stat[12] ?? 0));
  return [...own, postmaster[13] ?? 0, postmaster[14] ?? 0].reduce((a, b) => a + b, 0) / 100;
}

/** The fields of /proc/<pid>/stat behind the program's name; empty where the process is gone. */
function statOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ").map(Number);
  } catch {
    return [];
  }
}
