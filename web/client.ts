import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import type { z } from "zod";
import type { decisionResult } from "../api/contract/checkpoint-actions.ts";
import type { CheckpointList, CheckpointView, transitionList } from "../api/contract/checkpoints.ts";
import type { LeaderboardView } from "../api/contract/leaderboard.ts";
import type { NodeInfo } from "../api/contract/node.ts";
import type { Overview } from "../api/contract/overview.ts";
import type { PayoutList } from "../api/contract/payouts.ts";
import type { LeaderboardColumn } from "../api/contract/report-schema.ts";

/** An answer that is no success, with the node's own words. */
class AnswerError extends Error {
  override name = "AnswerError";
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** null: the node says that there is none (yet). */
async function get<T>(path: string, signal: AbortSignal): Promise<T | null> {
  const response = await fetch(path, { signal, headers: { accept: "application/json" } });
  if (response.status === 404) return null;
  if (response.ok) return (await response.json()) as T;
  const body: unknown = await response.json().catch(() => null);
  throw new AnswerError(response.status, detailOf(body) ?? `the node answered ${response.status}`);
}

const detailOf = (body: unknown): string | null =>
  typeof body === "object" && body !== null && "detail" in body && typeof body.detail === "string" ? body.detail : null;

const FAST_MS = 1_000;
const SLOW_MS = 2_000;

function usePolled<T>(path: string, refetchInterval: number | false, enabled = true): UseQueryResult<T | null> {
  return useQuery({ queryKey: [path], queryFn: ({ signal }) => get<T>(path, signal), refetchInterval, enabled });
}

export const useInfo = () => usePolled<NodeInfo>("/info", 10_000);
export const useOverview = () => usePolled<Overview>("/v1/overview", FAST_MS);
export const useLeaderboard = () => usePolled<LeaderboardView>("/v1/leaderboard", SLOW_MS);
export const useColumns = () => usePolled<LeaderboardColumn[]>("/reports/schema/leaderboard-columns", false);
/** `latest` stands for the newest one. */
export const useCheckpoint = (id: string | undefined) =>
  usePolled<CheckpointView>(`/v1/checkpoints/${encodeURIComponent(id ?? "")}`, SLOW_MS, id !== undefined);
export const useTransitions = (id: string | undefined) =>
  usePolled<z.infer<typeof transitionList>>(
    `/v1/checkpoints/${encodeURIComponent(id ?? "")}/transitions`,
    SLOW_MS,
    id !== undefined,
  );

export const useCheckpoints = () => usePolled<CheckpointList>("/v1/checkpoints?limit=100", SLOW_MS);
export const usePayouts = (id: string | undefined) =>
  usePolled<PayoutList>(`/v1/checkpoints/${encodeURIComponent(id ?? "")}/payouts`, SLOW_MS, id !== undefined);

export type DecisionAnswer = z.infer<typeof decisionResult>;
const ROUTES = { approve: "approvals", retry: "submissions", retryBlocked: "submissions", void: "voidings" } as const;

/** Sends a decision about the version that is on the page. Throws AnswerError with the node's own words. */
export async function decide(given: {
  id: string;
  version: number;
  action: keyof typeof ROUTES;
  key: string;
  body: { actor: string; reason?: string };
}): Promise<DecisionAnswer> {
  const { id, version, action, key, body } = given;
  const response = await fetch(`/v1/checkpoints/${encodeURIComponent(id)}/${ROUTES[action]}`, {
    method: "POST",
    body: JSON.stringify(ROUTES[action] === "submissions" ? { action, ...body } : body),
    headers: { "content-type": "application/json", "idempotency-key": key, "if-match": `"${id}-${version}"` },
  });
  const said: unknown = await response.json().catch(() => null);
  if (response.ok) return said as DecisionAnswer;
  throw new AnswerError(response.status, detailOf(said) ?? `the node answered ${response.status}`);
}

/** The history of a workflow in the Temporal UI. */
export const historyUrl = (info: NodeInfo, kind: keyof NodeInfo["namespaces"], workflowId: string): string =>
  `${info.temporal_ui}/namespaces/${encodeURIComponent(info.namespaces[kind])}/workflows/${encodeURIComponent(workflowId)}`;
