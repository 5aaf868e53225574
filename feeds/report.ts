import type { z } from "zod";
import type { FeedEvent, FeedObserver } from "./feed.ts";

/** Tells an observer; what is the same for all events of a source is filled in. */
export type Report = (event: Omit<FeedEvent, "source" | "atMs" | "count"> & { count?: number }) => void;

export function reporter(source: string, onEvent: FeedObserver | undefined, now: () => number = Date.now): Report {
  return (event) => onEvent?.({ count: 1, ...event, source, atMs: now() });
}

/** The beginning of something foreign, fit for a log line. */
export const excerpt = (text: string): string => {
  const line = text.replace(/[\p{Cc}\s]+/gu, " ").trim();
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
};

/** Where and what, of the first problem. */
export const problemOf = (error: z.ZodError): string => {
  const [issue] = error.issues;
  return issue ? `${issue.path.join(".") || "value"}: ${issue.message}` : error.message;
};

/** The event of a part that does not fit its schema. */
export const unreadable = (what: string, part: unknown, error: z.ZodError) => ({
  kind: "malformed" as const,
  detail: `${what}: ${problemOf(error)} in ${excerpt(JSON.stringify(part) ?? "nothing")}`,
});
