/** Options of every channel to a runner. */
export const CHANNEL = {
  "grpc.max_metadata_size": 16 << 10,
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0, // nobody reads what it would count at every call
  "grpc.enable_http_proxy": 0,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1000,
  // Two models never share a connection, so that a stuck one cannot slow another.
  "grpc.use_local_subchannel_pool": 1,
};
