import { z } from "zod";

/** UTC with Z and milliseconds. */
export const isoTime = z.string().meta({ format: "date-time", examples: ["2026-11-21T00:00:00.000Z"] });
/** Legacy: UTC without a zone, as the public node writes it on the chart routes. */
export const zonelessTime = z.string().meta({ examples: ["2026-11-21T00:00:00.000000"] });

export const toIso = (date: Date): string => date.toISOString();
export const toIsoOrNull = (date: Date | null | undefined): string | null => date?.toISOString() ?? null;
/** As Python's isoformat of a naive time: six decimals, none where the second is whole. */
export const toZoneless = (date: Date): string => {
  const text = date.toISOString().slice(0, -1);
  return text.endsWith(".000") ? text.slice(0, -4) : `${text}000`;
};

/** A time in a query: ISO 8601; without a zone it is UTC. */
export const timeParameter = z
  .union([z.iso.datetime({ offset: true, local: true }), z.iso.date()], {
    error: "an ISO 8601 time, such as 2026-11-21T00:00:00Z (write + as %2B)",
  })
  .transform((text) => new Date(/Z$|[+-]\d\d:?\d\d$/.test(text) || !text.includes("T") ? text : `${text}Z`));

/** Text that goes into a query; PostgreSQL has no text with NUL. */
export const textParameter = (most: number) =>
  z
    .string()
    .max(most)
    .refine((text) => !text.includes("\0"), "must not hold a NUL character");

/** Repeated or comma separated: `projectIds=a&projectIds=b` or `projectIds=a,b`. */
export const idList = z
  .union([textParameter(4_000), z.array(textParameter(200)).max(50)])
  .transform((value) =>
    [value]
      .flat()
      .flatMap((part) => part.split(","))
      .map((id) => id.trim())
      .filter(Boolean),
  )
  .refine((ids) => ids.length <= 50, "at most 50 ids");

export const limitParameter = (standard: number, most: number) =>
  z.coerce
    .number({ error: `a whole number from 1 to ${most}` })
    .int()
    .min(1)
    .max(most)
    .default(standard);

export const flagParameter = z
  .enum(["true", "false", "1", "0"])
  .default("false")
  .transform((text) => text === "true" || text === "1");

/** The parameters of a /v1 route: an unknown one is refused, and the known ones are named. */
export const strictQuery = <S extends z.ZodRawShape>(shape: S) =>
  z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== "unrecognized_keys") return undefined;
      const known = Object.keys(shape);
      return `unknown parameter ${issue.keys.join(", ")}; ${known.length > 0 ? `there are ${known.join(", ")}` : "this route takes none"}`;
    },
  });

export const jsonObject = z.record(z.string(), z.unknown());

/** A legacy error; `detail` is a sentence, or for a refused parameter the list of what is wrong. */
export const legacyError = z.object({
  detail: z.union([
    z.string(),
    z.array(z.object({ type: z.string(), loc: z.array(z.union([z.string(), z.number()])), msg: z.string() })),
  ]),
});

/** application/problem+json (RFC 9457), the errors of /v1. */
export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  instance: z.string(),
  code: z.string(),
  trace_id: z.string(),
  retryable: z.boolean(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof problem>;

/** The range of legacy report routes: half-open, the last seven days unless said otherwise. */
export const rangeParameters = z.object({
  projectIds: idList.optional(),
  start: timeParameter.optional(),
  end: timeParameter.optional(),
  include_ensembles: flagParameter,
});

const WEEK_MS = 7 * 86_400_000;
export interface TimeRange {
  start: Date;
  end: Date;
}
export function rangeOf(query: { start?: Date | undefined; end?: Date | undefined }, nowMs: number): TimeRange {
  const end = query.end ?? new Date(nowMs + 1);
  return { end, start: query.start ?? new Date(end.getTime() - WEEK_MS) };
}
