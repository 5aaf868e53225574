import {
  status as grpcStatus,
  type Metadata,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from "@grpc/grpc-js";
import type { Logger } from "pino";
import { AuthError } from "./auth-error.ts";
import { CertificateError, type Identity, readIdentity, textOfIdentity } from "./certificates.ts";
import type { CoordinatorKeys } from "./coordinator-keys.ts";
import { runnerProof } from "./headers.ts";
import { createReplayCache } from "./replay-cache.ts";
import { type Check, certificateCheck, gatewayCheck, type IncomingCall } from "./server-checks.ts";
import { type Peer, RotatingCredentials } from "./server-credentials.ts";
import { type Watched, watch } from "./watched-file.ts";

/** Says nothing of a model but whether it answers, and public clients ask it without a proof. */
const HEALTH = "/grpc.health.v1.Health/";
/** Refusals are logged at most once in this time: anybody can cause them. */
const LOG_EVERY_MS = 1_000;

export interface ServerSecurityOptions {
  /** mtls: clients show a registered certificate. gateway: each call carries a token, for behind a proxy that ends TLS. */
  readonly mode: "mtls" | "gateway";
  /** Folder of ca.crt, tls.crt, tls.key and delegations.json. mtls needs one; gateway without one is plain. */
  readonly certificates?: string;
  /** who may call; asked again with every call */
  readonly coordinatorKeys: CoordinatorKeys;
  /** mtls: the wallet and hotkey whose word each call must carry; absent: not asked for */
  readonly coordinator?: { readonly wallet: string; readonly hotkey: string | null };
  /**
   * once: a token is good for one call. connection: and for later ones on the connection it came on first, which
   * model-runner-client 0.14 needs, because its tokens of one second are the same.
   */
  readonly tokens?: "once" | "connection";
  readonly logger: Logger;
  readonly now?: () => number;
}

/** What one gRPC server needs: for `new Server({ interceptors })` and `bindAsync(address, credentials)`. */
interface SecuredServer {
  readonly credentials: ServerCredentials;
  readonly interceptors: ServerInterceptor[];
}
export interface ServerSecurity {
  /**
   * All calls but health must be a registered coordinator's. Answers begin with the model's proof, so that handlers must
   * tell what they have to tell in trailers.
   */
  forModel(modelId: string): SecuredServer;
  /**
   * A server of many models: for the same coordinators, without a proof; clients compare its key with the proven ones of
   * its models. Refuses all calls in gateway mode, where a token is for one model.
   */
  forFleet(): SecuredServer;
  /** Looks for changed files now instead of within two seconds. */
  reload(): Promise<void>;
  close(): void;
}

/** @throws CertificateError when files are missing or unusable */
export async function createServerSecurity(options: ServerSecurityOptions): Promise<ServerSecurity> {
  const { mode, coordinatorKeys: keys, logger, now = Date.now } = options;
  let rotating: RotatingCredentials | undefined;
  const identities = await watchIdentity(options, (identity) => rotating?.rotate(identity));
  rotating = identities && new RotatingCredentials(identities.current(), mode === "mtls" ? "required" : "unknown");
  const credentials = rotating ?? ServerCredentials.createInsecure();
  const seen = createReplayCache();
  const certificate = certificateCheck(keys, options.coordinator, now);
  const noFleet = () => {
    throw new AuthError("MODEL", "A gateway's token is for one model; call the model's own address");
  };

  const checkOf = (modelId: string): Check =>
    mode === "mtls" ? certificate : gatewayCheck({ keys, modelId, seen, tokens: options.tokens ?? "once", now });
  return {
    forModel: (modelId) => ({
      credentials,
      interceptors: [createGuard(checkOf(modelId), (peer) => proofFor(modelId, rotating?.identityOf(peer)), logger)],
    }),
    forFleet: () => ({
      credentials,
      interceptors: [createGuard(mode === "mtls" ? certificate : noFleet, () => undefined, logger)],
    }),
    reload: async () => identities?.reload(),
    close: () => identities?.close(),
  };
}

function watchIdentity(
  { certificates: folder, mode, logger }: ServerSecurityOptions,
  onChange: (identity: Identity) => void,
): Promise<Watched<Identity>> | undefined {
  if (folder === undefined) {
    if (mode === "gateway") return undefined;
    throw new CertificateError("mTLS needs a folder of certificates. Make one with: almanac cert init");
  }
  return watch({ what: folder, read: () => readIdentity(folder), textOf: textOfIdentity, onChange, logger });
}

const proofFor = (modelId: string, identity: Identity | undefined): Metadata | undefined => {
  const proof = identity?.proofs.get(modelId);
  return proof && runnerProof(proof);
};

/** Decides before a byte of the request is parsed; a refused call never reaches its handler. */
function createGuard(check: Check, proof: (peer: Peer) => Metadata | undefined, logger: Logger): ServerInterceptor {
  const tell = createTeller(logger);
  return ({ path: method }, call) => {
    if (method.startsWith(HEALTH)) return new ServerInterceptingCall(call);
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, goOn) => {
        const peer = call.getConnectionInfo();
        const certificate = call.getAuthContext().sslPeerCertificate;
        const refusal = refusalOf(check, { method, metadata, peer, certificate });
        if (refusal) {
          tell(method, peer, refusal);
          return call.sendStatus({ code: grpcStatus.UNAUTHENTICATED, details: refusal.message });
        }
        const own = proof(peer);
        if (own) call.sendMetadata(own);
        goOn(metadata);
      })
      .build();
    return new ServerInterceptingCall(call, { start: (next) => next(listener) });
  };
}

function refusalOf(check: Check, call: IncomingCall): AuthError | undefined {
  try {
    check(call);
    return undefined;
  } catch (error) {
    if (error instanceof AuthError) return error;
    return new AuthError("FORMAT", "The proof cannot be read", { cause: error });
  }
}

function createTeller(logger: Logger): (method: string, peer: Peer, refusal: AuthError) => void {
  let last = Number.NEGATIVE_INFINITY;
  let untold = 0;
  return (method, { remoteAddress, remotePort }, { reason, message, cause }) => {
    if (performance.now() - last < LOG_EVERY_MS) {
      untold++;
      return;
    }
    last = performance.now();
    const fault = reason === "FORMAT" && cause instanceof Error ? cause.message : undefined;
    logger.warn({ method, from: `${remoteAddress}:${remotePort}`, reason, fault, untold }, `call refused: ${message}`);
    untold = 0;
  };
}
