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
