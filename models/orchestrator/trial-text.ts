import { sentenceOf } from "./failure.ts";
import type { TrialReport } from "./trial.ts";

const LOG_LINES = 40;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
/** Text of a model for a terminal: without what could move the cursor or forge a line. */
export const printable = (text: string): string => text.replace(CONTROL, "\ufffd");

const ms = (value: number | null): string => (value === null ? "–" : `${value.toFixed(1)} ms`);

/** A trial as its author reads it: what was done, what went wrong, what the model printed last. */
export function trialText(report: TrialReport): string {
  const lines = [
    `model test   ${report.ok ? "passed" : "FAILED"}`,
    `sandbox      ${report.sandbox ?? "none could be made"}`,
    `start        ${ms(report.startMs)}, class found, instance made`,
    `rounds       ${report.rounds}, p50 ${ms(report.p50Ms)}, slowest ${ms(report.maxMs)}`,
  ].slice(0, report.startMs === null ? 2 : 4);
  if (report.ok) lines.push(`last answer  ${JSON.stringify(report.lastOutput, bigintsAsText)}`);
  if (report.problem) lines.push("", report.problem);
  if (report.code) lines.push(`${report.code}: ${sentenceOf(report.code)}`);
  const printed = report.log.trimEnd().split("\n").slice(-LOG_LINES);
  if (printed.join("") !== "") lines.push("", "It printed:", ...printed.map((line) => `  ${line}`));
  return printable(lines.join("\n"));
}

const bigintsAsText = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);
