import type { ActivityOptions } from "@temporalio/common";
import { proxyActivities } from "@temporalio/workflow";

// biome-ignore lint/suspicious/noExplicitAny: what an activity takes is its own matter
type Activity = (input: any) => Promise<unknown>;

/** What a call of each activity does, in words, given its input. */
export type Words<A> = { [K in keyof A]: A[K] extends (input: infer I) => unknown ? (input: I) => string : never };

/** Temporal refuses more than 400 bytes. */
const LONGEST = 130;

/** One line, no longer than a summary may be. */
export const asSummary = (text: string): string => {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line;
};

/** The activities, each call with a summary: so that a history reads like a log in the Temporal UI. */
export function described<A extends { [K in keyof A]: Activity }>(options: ActivityOptions, words: Words<A>): A {
  const plain = proxyActivities<Record<string, Activity>>(options);
  const say = words as Record<string, ((input: unknown) => string) | undefined>;
  return new Proxy({} as A, {
    get: (_, name) => {
      const summary = say[String(name)];
      const call = plain[String(name)]!;
      return summary
        ? (input: unknown) => call.executeWithOptions({ summary: asSummary(summary(input)) }, [input])
        : call;
    },
  });
}
