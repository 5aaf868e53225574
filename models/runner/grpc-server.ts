import {
  Metadata,
  Server,
  type ServerCredentials,
  type ServerInterceptor,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { MessageLimits } from "../protocol/grpc-wire.ts";
import { MAX_CONCURRENT_CALLS, type Method, type RpcServer, type Trailer } from "./rpc.ts";

/** Who may call. */
export interface ServerSecurity {
  readonly credentials: ServerCredentials;
  readonly interceptors: readonly ServerInterceptor[];
}

/** Serves methods to those who can show who they are. */
export function createGrpcServer(
  methods: readonly Method[],
  limits: MessageLimits,
  { credentials, interceptors }: ServerSecurity,
): RpcServer {
  const server = new Server({
    "grpc.max_receive_message_length": limits.receive,
    "grpc.max_send_message_length": limits.send,
    "grpc.max_concurrent_streams": MAX_CONCURRENT_CALLS,
    "grpc.enable_channelz": 0,
    interceptors: [...interceptors],
  });
  const byPath = methods.map((method) => [method.definition.path, method] as const);
  const definitions: ServiceDefinition = Object.fromEntries(byPath.map(([path, { definition }]) => [path, definition]));
  server.addService(definitions, Object.fromEntries(byPath.map(([path, method]) => [path, handlerOf(method)])));
  return {
    listen: (address) =>
      new Promise((resolve, reject) =>
        server.bindAsync(address, credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
      ),
    drain: () => new Promise((resolve) => server.tryShutdown(() => resolve())),
    close: () => server.forceShutdown(),
  };
}

type Unary = ServerUnaryCall<object, object>;
type Stream = ServerWritableStream<object, object>;

function handlerOf({ answer, follow }: Method) {
  if (answer)
    return async (call: Unary, done: sendUnaryData<object>) => {
      const deadline = call.getDeadline();
      const reply = await answer(call.request, deadline instanceof Date ? deadline.getTime() : deadline);
      const trailer = metadataOf(reply.trailer);
      if ("error" in reply) done({ ...reply.error, metadata: trailer });
      else done(null, reply.response, trailer);
    };
  return (stream: Stream) => {
    const refusal = follow?.(stream.request, {
      send: (message) => stream.write(message),
      onDrain: (listener) => stream.on("drain", listener),
      end: () => stream.end(),
      onClose: (listener) => stream.on("close", listener),
    });
    if (refusal) stream.emit("error", refusal);
  };
}

function metadataOf(trailer: Trailer = {}): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(trailer)) metadata.set(key, value);
  return metadata;
}
