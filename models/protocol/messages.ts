import { fileURLToPath } from "node:url";
import {
  loadSync,
  type MessageTypeDefinition,
  type PackageDefinition,
  type ServiceDefinition,
} from "@grpc/proto-loader";
import { encodeVariant, type Variant, type VariantType } from "./variant.ts";

export interface WireArgument {
  position: number;
  data?: Variant | null;
}
export interface WireKwArgument {
  keyword: string;
  data?: Variant | null;
}
export interface WireStatus {
  code: string;
  message: string;
}
export interface SetupRequest {
  className: string;
  instanceArguments: WireArgument[];
  instanceKwArguments: WireKwArgument[];
}
export interface CallRequest {
  methodName: string;
  methodArguments: WireArgument[];
  methodKwArguments: WireKwArgument[];
}
/** `status` is absent from older runners; `methodResponse` is absent when the method returned None. */
export interface CallResponse {
  status?: WireStatus | null;
  methodResponse?: Variant | null;
}
export interface StatusResponse {
  status?: WireStatus | null;
}

const folder = fileURLToPath(new URL("../../protos/", import.meta.url));
const definitions: PackageDefinition = loadSync(
  ["commons.proto", "dynamic_subclass.proto", "train_infer.proto", "health.proto", "fleet.proto"],
  { includeDirs: [folder], keepCase: true, defaults: true, arrays: true, enums: Number, longs: Number, bytes: Buffer },
);

/** protobufjs writes defaults that were set explicitly, the public peers never do: left out, the bytes are theirs. */
function withoutDefaults(value: unknown): unknown {
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutDefaults);
  const kept: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) if (!isDefault(item)) kept[key] = withoutDefaults(item);
  return kept;
}
const isDefault = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === 0 ||
  value === "" ||
  ((value instanceof Uint8Array || Array.isArray(value)) && value.length === 0);

// Nobody compares bytes of our own messages, and a round has hundreds of answers in one.
const isOurs = (name: string): boolean => name.startsWith("almanac.");

/** Serializer and parser of a message, by its full name: `commons.Variant`. */
export function messageType<T extends object>(name: string): MessageTypeDefinition<T, T> {
  const type = definitions[name] as unknown as MessageTypeDefinition<T, T>;
  if (isOurs(name)) return type;
  return { ...type, serialize: (value) => type.serialize(withoutDefaults(value) as T) };
}

/** Methods of a service, for a server. */
export function service(name: string): ServiceDefinition {
  if (isOurs(name)) return definitions[name] as ServiceDefinition;
  const methods = Object.entries(definitions[name] as ServiceDefinition);
  return Object.fromEntries(
    methods.map(([method, it]) => [
      method,
      { ...it, responseSerialize: (value: object) => it.responseSerialize(withoutDefaults(value) as object) },
    ]),
  );
}

export const DYNAMIC_SUBCLASS = "dynamic_subclass.DynamicSubclassService";
export const HEALTH = "grpc.health.v1.Health";
export const FLEET = "almanac.fleet.Fleet";
/** Response metadata of our runner: how often the model's process was started. Another number means that its state was lost. */
export const INCARNATION_HEADER = "almanac-incarnation";

export interface Argument {
  readonly type: VariantType;
  readonly value: unknown;
}
export interface KwArgument extends Argument {
  readonly keyword: string;
}

const wireArguments = (method: string, args: readonly Argument[]): WireArgument[] =>
  args.map(({ type, value }, i) => ({
    position: i + 1,
    data: encodeVariant(type, value, `${method} argument ${i + 1}`),
  }));
const wireKwArguments = (method: string, kwargs: readonly KwArgument[]): WireKwArgument[] =>
  kwargs.map(({ keyword, type, value }) => ({
    keyword,
    data: encodeVariant(type, value, `${method} argument ${keyword}`),
  }));

/** @throws VariantError naming the argument */
export const callRequest = (
  method: string,
  args: readonly Argument[] = [],
  kwargs: readonly KwArgument[] = [],
): CallRequest => ({
  methodName: method,
  methodArguments: wireArguments(method, args),
  methodKwArguments: wireKwArguments(method, kwargs),
});

/** @throws VariantError naming the argument */
export const setupRequest = (
  className: string,
  args: readonly Argument[] = [],
  kwargs: readonly KwArgument[] = [],
): SetupRequest => ({
  className,
  instanceArguments: wireArguments("Setup", args),
  instanceKwArguments: wireKwArguments("Setup", kwargs),
});

const callType = messageType<CallRequest>("dynamic_subclass.CallRequest");
const setupType = messageType<SetupRequest>("dynamic_subclass.SetupRequest");
/** Bytes to be made once and sent to every model. */
export const callBytes = (request: CallRequest): Buffer => callType.serialize(request);
export const setupBytes = (request: SetupRequest): Buffer => setupType.serialize(request);
