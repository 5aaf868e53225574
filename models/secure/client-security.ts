import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import type { Logger } from "pino";
import type { RunnerChannel } from "../client/runner-channel.ts";
import { CertificateError, hashOfPeer, type Identity, readIdentity, textOfIdentity } from "./certificates.ts";
import type { ExpectedModel } from "./epoch.ts";
import { gatewayChannel } from "./gateway-channel.ts";
import { type GatewayKey, readGatewayKey } from "./gateway-token.ts";
import { verifiedChannel } from "./verified-channel.ts";
import { type Watched, watch } from "./watched-file.ts";

export interface ClientSecurityOptions {
  /** mTLS: folder of ca.crt, tls.crt, tls.key; with delegations.json the coordinator's own proof goes out with each call */
  readonly certificates?: string;
  /** instead: folder of key.pem, whose key signs a token for each call through a gateway; gateway-ca.crt there replaces the system's */
  readonly gateway?: string;
  readonly logger: Logger;
  readonly now?: () => number;
}

/** How one model is reached: given to `connectModel`. */
export type ModelSecurity = (address: string, options: object) => RunnerChannel;

/** How a coordinator reaches models that must prove themselves, or that want its proof. */
export interface ClientSecurity {
  /** `expected` is asked with every call, so that the orchestrator's latest word counts. */
  forModel(expected: () => ExpectedModel): ModelSecurity;
  /**
   * mTLS: credentials for the one connection to a runner of many models. Its certificate's key must be among `allowed`
   * (SHA-256, hex), which are the `provenKey` of models on that runner. undefined in gateway mode.
   */
  forFleet(allowed: () => ReadonlySet<string>): ChannelCredentials | undefined;
  /** Looks for changed files now instead of within two seconds. */
  reload(): Promise<void>;
  close(): void;
}

/** Files are read anew when they change; calls that run are not disturbed. @throws CertificateError when they are missing or unusable */
export async function createClientSecurity(options: ClientSecurityOptions): Promise<ClientSecurity> {
  const { certificates, gateway, logger, now = Date.now } = options;
  if (certificates !== undefined && gateway !== undefined)
    throw new CertificateError("Models are reached by mTLS or through a gateway, not both");
  if (certificates !== undefined) {
    const read = () => readIdentity(certificates);
    return mutual(await watch({ what: certificates, read, textOf: textOfIdentity, logger }), now);
  }
  if (gateway === undefined) throw new CertificateError("Neither a folder for mTLS nor one for a gateway is named");
  const read = () => readGateway(gateway);
  return byToken(await watch({ what: gateway, read, textOf: ({ text }) => text, logger }), now);
}

function mutual(identity: Watched<Identity>, now: () => number): ClientSecurity {
  return {
    forModel: (expected) => (address, options) =>
      verifiedChannel({ address, options, identity: identity.current, expected, now }),
    forFleet(allowed) {
      const { ca, key, chain } = identity.current();
      return credentials.createSsl(ca, key, chain, {
        checkServerIdentity: (_host, certificate) =>
          allowed().has(hashOfPeer(certificate))
            ? undefined
            : new Error("The runner's key is not the one that its models have proven"),
      });
    },
    reload: identity.reload,
    close: identity.close,
  };
}

interface GatewayFiles {
  readonly key: GatewayKey;
  readonly roots: Buffer | undefined;
  readonly text: string;
}

function byToken(files: Watched<GatewayFiles>, now: () => number): ClientSecurity {
  return {
    forModel: (expected) => (address, options) => {
      const { roots } = files.current();
      const key = () => files.current().key;
      const { modelId } = expected();
      return gatewayChannel({ address, options, key, modelId, now, ...(roots ? { roots } : {}) });
    },
    forFleet: () => undefined,
    reload: files.reload,
    close: files.close,
  };
}

async function readGateway(folder: string): Promise<GatewayFiles> {
  const path = join(folder, "key.pem");
  const pem = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new CertificateError(`${path} cannot be read (${cause.code}). Make one with: almanac cert init`, { cause });
  });
  const roots = await readFile(join(folder, "gateway-ca.crt")).catch(() => undefined);
  try {
    const key = readGatewayKey(pem);
    return { key, roots, text: `${key.publicKey}${roots}` };
  } catch (cause) {
    throw new CertificateError(`${path}: ${(cause as Error).message}`, { cause });
  }
}
