import { fileURLToPath } from "node:url";
import { loadSync, type MessageTypeDefinition, type ServiceDefinition } from "@grpc/proto-loader";
import type { DeploymentEvent, FailureReport } from "./orchestrator-messages.ts";

/** Messages of protos/orchestrator.proto as they are written and read here. */
export interface WatchRequest {
  crunch_id: string;
}
export interface WatchEvent {
  kind: "NONE" | "INIT" | "UPDATE";
  data: DeploymentEvent[];
}
export interface ReportFailureRequest {
  crunch_id: string;
  reports: FailureReport[];
}
export interface ReportFailureResponse {
  results: { accepted: boolean; reason: string }[];
}

const definitions = loadSync("orchestrator.proto", {
  includeDirs: [fileURLToPath(new URL("../../protos/", import.meta.url))],
  keepCase: true,
  defaults: true,
  arrays: true,
  enums: String,
});

/** Methods of the service, for server and client. */
export const ORCHESTRATOR = definitions["almanac.orchestrator.Orchestrator"] as ServiceDefinition;

/** Serializer and parser of a message, by its name without the package. */
export const orchestratorType = <T extends object>(name: string): MessageTypeDefinition<T, T> =>
  definitions[`almanac.orchestrator.${name}`] as unknown as MessageTypeDefinition<T, T>;
