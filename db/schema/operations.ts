import type { Generated } from "kysely";
import type { Json, JsonDefault, Now } from "./columns.ts";

export interface Outbox {
  id: Generated<string>;
  topic: string;
  event: string;
  data_jsonb: Json;
  created_at: Now;
}
export interface ApiKeys {
  id: string;
  name: string;
  tier: "read" | "participant" | "local" | "operator" | "admin";
  hash: string;
  cruncher_id: string | null;
  created_at: Now;
  expires_at: Date | null;
  last_used_at: Date | null;
  revoked_at: Date | null;
}
export interface IdempotencyKeys {
  key: string;
  request_hash: string;
  status_code: number;
  body_jsonb: Json<unknown>;
  created_at: Now;
}
export interface AuditLog {
  id: Generated<string>;
  actor: string;
  action: string;
  subject: string;
  detail_jsonb: JsonDefault;
  at: Now;
}
