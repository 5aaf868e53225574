import { z } from "zod";
import {
  type Argument,
  float,
  type KwArgument,
  type ModelResult,
  Table,
  VariantError,
} from "../models/client/index.ts";
import { readArrow, readParquet } from "../models/protocol/tables.ts";

const TYPES = ["NONE", "DOUBLE", "INT", "STRING", "PARQUET", "ARROW", "JSON"] as const;
const MAX_LINE = 8 << 20;

const value = z.tuple([z.enum(TYPES), z.unknown()], "must be [TYPE, value]");
const command = z.discriminatedUnion("op", [
  z.object({
    op: z.literal("call"),
    method: z.string().min(1).max(200),
    args: z.array(value).default([]),
    kwargs: z.record(z.string(), value).default({}),
    /** ids; absent: all, empty: nobody */
    models: z.array(z.string()).optional(),
    /** seconds */
    timeout: z.number().positive().optional(),
  }),
  z.object({ op: z.literal("models") }),
  z.object({ op: z.literal("exit") }),
]);
type RawCommand = z.infer<typeof command>;
export type ClientCommand =
  | Exclude<RawCommand, { op: "call" }>
  | {
      readonly op: "call";
      readonly method: string;
      readonly arguments: readonly Argument[];
      readonly kwargs: readonly KwArgument[];
      readonly models?: readonly string[];
      readonly timeoutMs?: number;
    };

/** One line of standard input. @throws Error that says what is wrong where */
export async function readCommand(line: string): Promise<ClientCommand> {
  if (line.length > MAX_LINE) throw new Error(`a line of ${line.length} characters, at most ${MAX_LINE}`);
  const parsed = command.safeParse(parse(line));
  if (!parsed.success) throw new Error(problemOf(parsed.error.issues[0]));
  const found = parsed.data;
  if (found.op !== "call") return found;
  const { method, args, kwargs, models, timeout } = found;
  return {
    op: "call",
    method,
    arguments: await Promise.all(args.map(([type, given]) => argument(type, given))),
    kwargs: await Promise.all(
      Object.entries(kwargs).map(async ([keyword, [type, given]]) => ({ keyword, ...(await argument(type, given)) })),
    ),
    ...(models === undefined ? {} : { models }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout * 1_000 }),
  };
}

const problemOf = (issue: z.core.$ZodIssue | undefined): string => {
  const where = issue?.path.join(".") ?? "";
  if (where === "op") return 'op: must be "call", "models" or "exit"';
  return where === "" ? (issue?.message ?? "not a command") : `${where}: ${issue?.message}`;
};

function parse(line: string): unknown {
  try {
    return JSON.parse(line, exactly);
  } catch (error) {
    throw new Error(`not JSON (${(error as Error).message.slice(0, 120)})`);
  }
}

/** Numbers as they were written: 1.0 stays a float for Python, long integers keep their digits. */
function exactly(_key: string, given: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  if (typeof given !== "number" || source === undefined) return given;
  if (/^-?\d+$/.test(source)) return Number.isSafeInteger(given) ? given : BigInt(source);
  return Number.isInteger(given) ? float(given) : given;
}

async function argument(type: Argument["type"], given: unknown): Promise<Argument> {
  if (type !== "PARQUET" && type !== "ARROW") return { type, value: given };
  if (typeof given === "string") {
    const file = Buffer.from(given, "base64");
    return { type, value: await (type === "PARQUET" ? readParquet(file) : readArrow(file)) };
  }
  const columns = z.record(z.string(), z.array(z.unknown())).safeParse(given);
  if (!columns.success)
    throw new VariantError("BAD_TABLE", 'a table is {"column":[values, ...]} or the base64 of its file');
  return { type, value: new Table(Object.entries(columns.data).map(([name, values]) => ({ name, values }))) };
}

/** A result as the public client's users know it: a call that was not made is a timeout, with its reason. */
export function resultLine({ output, status, detail, exec_time_us, ...who }: ModelResult): Record<string, unknown> {
  const skipped = status === "SKIPPED";
  return {
    model_id: who.model_id,
    deployment_id: who.deployment_id,
    status: skipped ? "TIMEOUT" : status,
    result: output,
    exec_time_us,
    model_name: who.model_name,
    cruncher_name: who.cruncher_name,
    cruncher_id: who.cruncher_id,
    detail: skipped && !detail?.startsWith(SKIP) ? `${SKIP}: ${detail}` : detail,
  };
}
const SKIP = "PREEMPTIVE_SKIP";

const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** One line of standard output: long integers with all their digits, a table as its columns, bytes as base64. */
export const writeLine = (given: object): string =>
  JSON.stringify(given, (_key, item: unknown) => {
    if (typeof item === "bigint") return rawJSON(String(item));
    if (item instanceof Table) return Object.fromEntries(item.columns.map(({ name, values }) => [name, values]));
    return item instanceof Uint8Array ? Buffer.from(item).toString("base64") : item;
  });
