import { z } from "zod";

const flag = (standard: boolean) =>
  z
    .enum(["true", "false", "1", "0", ""])
    .transform((v) => (v === "" ? standard : v === "true" || v === "1"))
    .default(standard);
const port = (standard: number) => z.coerce.number().int().min(0).max(65535).default(standard);
const positive = (standard: number) => z.coerce.number().positive().default(standard);
const count = (standard: number) => z.coerce.number().int().nonnegative().default(standard);
const messageBytes = z.coerce
  .number()
  .int()
  .min(-1)
  .max(2_147_483_647)
  .default(64 << 20);
const days = (standard: number) => z.coerce.number().nonnegative().default(standard);
const callable = (what: string) =>
  z.string().optional().describe(`${what} instead of the contract's: file.ts:export, or Python's module:callable`);
const base58 = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/, "a base58 address");
/** A path, or a JSON list of a path and its arguments. */
const programAndArguments = z
  .string()
  .min(1)
  .transform((text, context): [string, ...string[]] => {
    if (!text.startsWith("[")) return [text];
    try {
      return z.tuple([z.string().min(1)], z.string()).parse(JSON.parse(text));
    } catch {
      context.addIssue('a path, or a JSON list such as ["path","argument"]');
      return z.NEVER;
    }
  });
const list = (standard: string[]) =>
  z
    .string()
    .transform((v) =>
      v
        .split(",")
        .map((s) => s.trim())
        .filter(Boolean),
    )
    .default(standard);

/** Every setting of the node. Names and defaults are the documented ones (docs/decisions.md); units are in the name. */
export const schema = z.object({
  ALMANAC_DIR: z.string().min(1).default(".almanac").describe("folder of local state (database, chain, pid files)"),
  LOG_LEVEL: z
    .string()
    .toLowerCase()
    .transform((level) => ({ warning: "warn", critical: "fatal" })[level] ?? level) // as public runners call them
    .pipe(z.enum(["trace", "debug", "info", "warn", "error", "fatal"]))
    .default("info")
    .describe("least severe line that is logged"),
  LOG_PRETTY: flag(false).describe("logs for people instead of JSON lines"),

  COMPETITION: z
    .string()
    .min(1)
    .default("competitions/realtime/competition.ts")
    .describe("module that exports the competition contract"),
  SCORING_FUNCTION: callable("the scorer"),
  INFERENCE_INPUT_BUILDER: callable("what makes the input of models"),
  INFERENCE_OUTPUT_VALIDATOR: callable("what checks outputs"),
  GROUND_TRUTH_RESOLVER: callable("what finds the truth"),
  MODEL_SCORE_AGGREGATOR: callable("what sums up a model's scores in a scoring window"),
  LEADERBOARD_RANKER: callable("what orders the leaderboard"),
  EMISSION_BUILDER: callable("what weighs the models of a checkpoint's emission"),
  CALLABLE_TIMEOUT_SECONDS: positive(2).describe("a call of a Python callable that lasts longer is ended"),
  CRUNCH_ID: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "lower-case letters, digits and dashes")
    .default("starter-challenge")
    .describe("name of the competition; part of every id"),
  CRUNCH_PUBKEY: z.string().default("").describe("address of the competition on chain"),
  NETWORK: z
    .string()
    .toUpperCase()
    .pipe(z.enum(["LOCAL", "DEVNET", "TESTNET", "MAINNET"]))
    .default("DEVNET")
    .describe("chain that pays; LOCAL approves by itself"),
  APPROVERS: list([]).describe(
    "addresses of the keys that sign decisions about checkpoints (approve, retry, void), comma separated; needed off LOCAL",
  ),
  APPROVAL_POLICY: z
    .enum(["network", "auto", "1", "2"])
    .default("network")
    .describe("approvals by different keys that a checkpoint needs; network: none on LOCAL, else 1; auto: none"),
  OBJECTION_SECONDS: z.coerce
    .number()
    .nonnegative()
    .default(0)
    .describe("a sealed checkpoint waits at least so long before it is submitted, and can be voided"),

  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .optional()
    .describe("PostgreSQL; unset: npm start runs one of its own"),
  TEMPORAL_ADDRESS: z.string().default("localhost:7233").describe("Temporal frontend, host:port"),
  TEMPORAL_NAMESPACE: z.string().min(1).default("almanac").describe("namespace of rounds and windows"),
  TEMPORAL_CHECKPOINT_NAMESPACE: z
    .string()
    .min(1)
    .default("almanac-checkpoints")
    .describe("namespace of checkpoints, kept at least 90 days"),
  TEMPORAL_UI_URL: z.url().default("http://localhost:8233").describe("where links to histories point"),

  FEED_SOURCE: z
    .string()
    .min(1)
    .default("pyth")
    .describe(
      "pyth, binance, replay or synthetic; several: comma separated, each <source>[:<kind>[:<granularity>]], models see the first",
    ),
  FEED_SUBJECTS: list(["BTC"]).describe(
    "subjects, comma separated; FEED_SUBJECTS_<SOURCE>: the same ones as another source calls them",
  ),
  FEED_KIND: z
    .enum(["candle", "tick", "trade", "depth", "funding"])
    .default("candle")
    .describe("what a feed record is"),
  FEED_GRANULARITY: z
    .string()
    .regex(/^\d+(ms|s|m|h|d)$/, "a number and ms, s, m, h or d")
    .default("1s")
    .describe("time one record covers"),
  FEED_BACKFILL_MINUTES: count(180).describe("history fetched when the database has none"),
  FEED_CANDLES_WINDOW: positive(120).describe("records per subject that models see"),
  FEED_RECORD_TTL_DAYS: days(90).describe(
    "feed records are kept this long, and longer while something needs them; 0: for ever",
  ),
  FEED_RETENTION_CHECK_SECONDS: positive(3_600).describe("how often is looked for what may go"),
  PREDICTION_TTL_DAYS: days(90).describe("rounds, inputs, predictions, truths and scores are kept this long, as above"),
  SNAPSHOT_TTL_DAYS: days(365).describe("snapshots and leaderboards are kept this long, as above"),
  BACKFILL_DATA_DIR: z
    .string()
    .min(1)
    .optional()
    .describe("folder of parquet day files; unset: backfill/ below ALMANAC_DIR"),
  BACKFILL_PAGES_PER_SECOND: positive(4).describe("how fast a backfill asks its source, pages of 1,000 records"),

  MODEL_BASE_CLASSNAME: z
    .string()
    .regex(/^[A-Za-z_][\w.]*$/)
    .default("tracker.TrackerBase")
    .describe("dotted name of the class that models extend"),
  MODEL_RUNNER_NODE_HOST: z.string().min(1).default("model-orchestrator").describe("host of the orchestrator"),
  MODEL_RUNNER_NODE_PORT: port(9091).describe("WebSocket port of the orchestrator"),
  MODEL_RUNNER_TIMEOUT_SECONDS: positive(60).describe("one deadline for a whole fan-out"),
  MODEL_RUNNER_MAX_CONSECUTIVE_FAILURES: count(10).describe(
    "a model is dropped at this many failures in a row; 0: never",
  ),
  MODEL_RUNNER_MAX_CONSECUTIVE_TIMEOUTS: count(10).describe(
    "a model is dropped at this many timeouts in a row; 0: never",
  ),
  SECURE_CERT_DIR: z
    .string()
    .optional()
    .describe("folder of ca.crt, tls.crt, tls.key: models are reached by mTLS and prove themselves first"),
  GATEWAY_CERT_DIR: z
    .string()
    .optional()
    .describe("instead: folder of key.pem, which signs a token for each call through a gateway"),
  PREDICT_HEAD_START: flag(true).describe("collect begins beside the workflow instead of after it"),

  SCORE_INTERVAL_SECONDS: positive(60).describe("length of a scoring window"),
  CHECKPOINT_INTERVAL_SECONDS: positive(604_800).describe("length of a checkpoint's period"),
  CHECKPOINT_ANCHOR: z.iso
    .datetime()
    .default("2026-01-05T00:00:00Z")
    .describe("an instant at which a period begins (a Monday)"),
  EVIDENCE_DIR: z
    .string()
    .min(1)
    .optional()
    .describe("folder of checkpoints' evidence bundles; unset: evidence/ below ALMANAC_DIR"),
  PAYOUT_POOL_LAMPORTS: z.coerce
    .bigint()
    .nonnegative()
    .default(1_000_000_000n)
    .describe("paid out per checkpoint, unless PAYOUT_MINT names a token"),
  PAYOUT_MINT: z
    .string()
    .regex(/^(LOCAL|[1-9A-HJ-NP-Za-km-z]{32,44})$/)
    .optional()
    .describe("mint of the SPL token that is paid out; LOCAL: the local chain's own (6 decimals); unset: SOL"),
  PAYOUT_POOL_UNITS: z.coerce
    .bigint()
    .nonnegative()
    .optional()
    .describe("paid out per checkpoint in smallest units of that token (1 USDC is 1000000)"),

  SOLANA_RPC_URL: z.url().optional().describe("chain endpoint; unset: npm start runs the dev chain"),
  SOLANA_RPC_URL_2: z
    .url()
    .optional()
    .describe(
      "another endpoint of the same cluster, which has to agree before anything is submitted or taken for final",
    ),
  SOLANA_KEYPAIR_PATH: z.string().optional().describe("key file that signs submissions, mode 0600"),
  SIGNER_COMMAND: programAndArguments
    .optional()
    .describe(
      'instead of a key file: program that signs, a path or ["path","argument"]; base64 of the message on stdin, base64 of the signature on stdout; no shell',
    ),
  SIGNER_ADDRESS: base58.optional().describe("address of the key that SIGNER_COMMAND signs with"),
  SIGNER_TIMEOUT_SECONDS: z.coerce
    .number()
    .positive()
    .max(600)
    .default(20)
    .describe("SIGNER_COMMAND is ended when it takes longer"),
  SUBMISSION_LIFETIME: z
    .enum(["blockhash", "nonce"])
    .default("blockhash")
    .describe("what signed transactions live by; nonce: for signers that take longer than a minute"),
  SOLANA_NONCE_ACCOUNT: base58.optional().describe("nonce account of the signing key, for SUBMISSION_LIFETIME=nonce"),
  PRIORITY_FEE_MAX_MICRO_LAMPORTS: z.coerce
    .bigint()
    .nonnegative()
    .default(1_000_000n)
    .describe("most that is paid for priority per compute unit; what recent blocks asked is paid, 0: nothing"),
  COMPUTE_PROVIDER_PUBKEY: z.string().default("").describe("wallet of the compute provider"),
  DATA_PROVIDER_PUBKEY: z.string().default("").describe("wallet of the data provider"),
  RECIPIENTS_FILE: z
    .string()
    .optional()
    .describe(
      "crunchers {address, name, cruncherIndex, id?} as JSON: who is paid, instead of what CHAIN_INDEX_URL says",
    ),
  CHAIN_INDEX_URL: z
    .url()
    .optional()
    .describe("index of the chain: GET <url>/crunches/<CRUNCH_PUBKEY> lists the crunchers who are paid"),

  ORCHESTRATOR_HOST: z.string().default("127.0.0.1").describe("address the orchestrator listens on"),
  ORCHESTRATOR_PORT: port(9091).describe("WebSocket port that the orchestrator serves"),
  ORCHESTRATOR_GRPC_PORT: port(9092).describe("its gRPC port: the same events (protos/orchestrator.proto)"),
  ORCHESTRATOR_HTTP_HOST: z.string().default("127.0.0.1").describe("address of the orchestrator's HTTP API"),
  ORCHESTRATOR_HTTP_PORT: port(8001).describe("its port: models are uploaded, started and stopped there; 0: none"),
  ORCHESTRATOR_API_KEY: z
    .string()
    .min(16)
    .optional()
    .describe("key of that API; unset: this machine only, and only on a loopback address"),
  MODEL_TEST_ON_UPLOAD: flag(true).describe("an uploaded model must pass `almanac model test` before it starts"),
  MODEL_MAX_RESTARTS_PER_HOUR: count(5).describe("a model whose process is lost more often is stopped; 0: never"),
  MODELS_FILE: z.string().default("models.yaml").describe("models that the local orchestrator runs"),
  RUNNER_PORT: port(50051).describe("first port of the model runner; one a model, upward"),
  RUNNER_SECURITY: z
    .enum(["none", "mtls", "gateway"])
    .default("none")
    .describe("what callers of models must prove: nothing, a registered certificate, or a token in each call"),
  RUNNER_CERT_DIR: z
    .string()
    .optional()
    .describe(
      "folder of ca.crt, tls.crt, tls.key, delegations.json (see `almanac cert init`); gateway: unset for plain",
    ),
  RUNNER_COORDINATOR_KEYS: z
    .string()
    .optional()
    .describe("file {certHash, certHashSecondary}: SHA-256 of the keys that may call, read anew when it changes"),
  RUNNER_COORDINATOR_WALLET: z
    .string()
    .optional()
    .describe("mtls: wallet whose signed word each call must carry (x-auth-message); unset: not asked for"),
  RUNNER_MODEL_ID: z.string().optional().describe("almanac runner with RUNNER_SECURITY: the model that it serves"),
  RUNNER_COORDINATOR_HOTKEY: z.string().optional().describe("hotkey in that word"),
  RUNNER_GATEWAY_TOKENS: z
    .enum(["once", "connection"])
    .default("once")
    .describe(
      "once: a token is good for one call; connection: model-runner-client 0.14 sends the same within a second",
    ),
  MODEL_BACKEND: z
    .enum(["process", "docker"])
    .default("process")
    .describe("what a model runs in: a boxed process, or a container of the engine at DOCKER_HOST"),
  DOCKER_HOST: z.string().default("unix:///var/run/docker.sock").describe("Unix socket of the container engine"),
  MODEL_IMAGE: z
    .string()
    .default("python:3.12-slim")
    .describe("image of models' containers: python3, and node 24 for JavaScript; it is never pulled"),
  SANDBOX: z
    .enum(["auto", "required", "none"])
    .default("auto")
    .describe("auto: the strongest at hand; required: refuse less; none: none"),
  PYTHON: z.string().default("python3").describe("interpreter for Python models, 3.10 or newer"),

  GRPC_ADDRESS: z
    .string()
    .min(1)
    .default("127.0.0.1:50051")
    .describe("`almanac runner`: where it listens, host:port or unix:path"),
  CODE_DIRECTORY: z.string().min(1).default("/workspace/submission/code").describe("`almanac runner`: the submission"),
  RESOURCE_DIRECTORY: z
    .string()
    .min(1)
    .default("/workspace/resources")
    .describe("`almanac runner`: resources of the model, which reads them there"),
  MAIN_FILE: z
    .string()
    .optional()
    .describe("`almanac runner`: file that is looked at first for the model's class; unset: main.py, or main.ts, …"),
  HAS_GPU: flag(false).describe("`almanac runner`: told to the model"),
  GRPC_MAX_SEND_MESSAGE_LENGTH: messageBytes.describe("`almanac runner`: bytes of one message; -1: any"),
  GRPC_MAX_RECEIVE_MESSAGE_LENGTH: messageBytes.describe("`almanac runner`: bytes of one message; -1: any"),

  API_HOST: z.string().default("127.0.0.1").describe("address the API listens on"),
  REPORT_API_PORT: port(8000).describe("port of API and page"),
  REPORT_UI_PORT: port(3000).describe("second port of the same server; 0: none"),
  PUBLIC_URL: z
    .url()
    .transform((url) => url.replace(/\/+$/, ""))
    .optional()
    .describe("where people reach page and API, for links from histories; unset: http://127.0.0.1:REPORT_API_PORT"),
  API_KEY: z
    .string()
    .min(16)
    .optional()
    .describe("key for writes and private reads; unset: reads open, writes from loopback"),
  API_READ_AUTH: flag(true).describe("false opens reads although API_KEY is set"),
  METRICS_PORT: port(9464).describe("first port of /metrics, livez and readyz of the roles"),

  POSTGRES_LOCAL_PORT: port(15432).describe("port of the embedded PostgreSQL"),
  DEV_CHAIN_PORT: port(8899).describe("port of the dev chain"),
  DEV_CHAIN_SLOT_MS: positive(400).describe("time of one slot of the dev chain"),
  DEV_CHAIN_FINAL_AFTER_SLOTS: count(32).describe("slots until the dev chain calls a transaction final"),
});
