import type { CallRequest, SetupRequest } from "./messages.ts";
import type { Variant } from "./variant.ts";

/** Messages of protos/fleet.proto as they are written and read here. */
export interface FleetTarget {
  deployment: string;
  /** indexes into the request's calls; empty: all */
  calls: number[];
  /** 0: the request's */
  deadline_ms: number;
}
export interface KeyedCall {
  call?: CallRequest | null;
  key: string;
}
export interface CallManyRequest {
  round_id: string;
  targets: FleetTarget[];
  calls: KeyedCall[];
  deadline_ms: number;
  flush_ms: number;
  stop_on_failure: boolean;
}
export interface FleetAnswer {
  target: number;
  call: number;
  code: number;
  value?: Variant | null;
  detail: string;
  wait_us: number;
  run_us: number;
  incarnation: number;
}
export interface CallManyResponse {
  answers: FleetAnswer[];
}
export interface SetupOneRequest {
  deployment: string;
  setup?: SetupRequest | null;
}
export interface DescribeResponse {
  protocol: number;
  sandbox: string;
  models: number;
  max_answer_bytes: number;
}
/** Numbers of ModelState.State. */
export const MODEL_STATE = { STARTING: 0, RUNNING: 1, DOWN: 2, REFUSED: 3, GONE: 4 } as const;
export interface ModelStateMessage {
  deployment: string;
  model: string;
  state: number;
  /** for people; empty where nothing is wrong */
  why: string;
  incarnation: number;
  dropped_log_bytes: number;
}
export interface WatchResponse {
  models: ModelStateMessage[];
}
