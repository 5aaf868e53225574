import { Client, credentials, status as grpcStatus, Metadata, type ServiceError } from "@grpc/grpc-js";
import { type RunnerChannel, sendUnary } from "../client/runner-channel.ts";
import { AuthError } from "./auth-error.ts";
import { createGatewayToken, type GatewayKey } from "./gateway-token.ts";
import { addGatewayToken } from "./headers.ts";

/** A channel to a gateway that ends TLS: its certificate is checked like a web server's, each call carries a token of its own. */
export function gatewayChannel(given: {
  /** host:port */
  address: string;
  /** of gRPC */
  options: object;
  /** the coordinator's key, as it is now */
  key: () => GatewayKey;
  modelId: string;
  /** certificates to trust instead of the system's, PEM */
  roots?: Buffer;
  now: () => number;
}): RunnerChannel {
  const { address, options, key, modelId, now } = given;
  const client = new Client(address, credentials.createSsl(given.roots ?? null), options);
  return {
    ready: (timeoutMs) =>
      new Promise((resolve, reject) =>
        client.waitForReady(Date.now() + timeoutMs, (error) => (error ? reject(error) : resolve())),
      ),
    unary: (request) => {
      const metadata = addGatewayToken(new Metadata(), createGatewayToken(key(), modelId, now(), request.path));
      return sendUnary(client, request, metadata).catch((error: ServiceError) => {
        if (error.code !== grpcStatus.UNAUTHENTICATED) throw error;
        throw new AuthError("KEY", `The runner refuses this coordinator: ${error.details}`, { cause: error });
      });
    },
    close: () => client.close(),
  };
}
