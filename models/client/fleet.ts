import type { Argument, KwArgument } from "../protocol/messages.ts";

/** One method call that every model of a fan-out gets. */
export interface FleetCall {
  readonly method: string;
  readonly args?: readonly Argument[];
  readonly kwargs?: readonly KwArgument[];
  /** A call whose key equals the last one delivered to a model is not sent to it again (detail ALREADY_DELIVERED). */
  readonly key?: string;
}
export type CallStatus = "SUCCESS" | "FAILURE" | "TIMEOUT" | "SKIPPED";

/** What one model made of one call. */
export interface CallResult {
  readonly modelId: string;
  readonly deploymentId: string;
  readonly modelName: string;
  readonly cruncherName: string;
  readonly cruncherId: string;
  readonly status: CallStatus;
  /** decoded value; null unless SUCCESS */
  readonly output: unknown;
  /** time inside the method, or until the answer where only that is known, in microseconds */
  readonly execTimeUs: number;
  /** time of it in queues and on the way, where the runner tells the time inside the method apart (`execTimeUs` is then that alone); else null */
  readonly waitUs: number | null;
  /** reason, begins with a code in capitals; at most 500 characters, control characters escaped */
  readonly detail: string | null;
}

/** CONNECTED and COOLDOWN take calls; the others are known but cannot be called now. */
export type FleetModelState = "CONNECTING" | "CONNECTED" | "COOLDOWN" | "RECOVERING" | "DISCONNECTED";
export interface FleetModel {
  readonly modelId: string;
  readonly deploymentId: string;
  readonly modelName: string;
  readonly cruncherId: string;
  readonly cruncherName: string;
  readonly state: FleetModelState;
  /** host:port of its runner */
  readonly address: string;
  /** how strongly its process is closed in, where the orchestrator tells */
  readonly sandbox?: string;
  /** why it is DISCONNECTED or still CONNECTING */
  readonly reason?: string;
}

const MAX_DETAIL = 500;
// Everything that could forge a log line or a terminal sequence.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Text from outside, made fit for logs, rows and pages. */
export const cleanDetail = (text: string): string =>
  text
    .slice(0, MAX_DETAIL)
    .toWellFormed()
    .replace(CONTROL, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .slice(0, MAX_DETAIL);
