/** Bytes before each message of gRPC: u8 whether it is packed, u32 its length (big-endian). */
export const PREFIX_BYTES = 5;

/** Bytes of one message. Servers take -1 for no limit, as the settings of gRPC do. */
export interface MessageLimits {
  readonly receive: number;
  readonly send: number;
}

/** A message as it goes over the wire: not packed, its length, its bytes. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
}

/** Beside the plain one there are application/grpc+proto and application/grpc;charset. */
export const isGrpcType = (contentType: string | undefined): boolean =>
  /^application\/grpc(?:[+;]|$)/.test(contentType ?? "");
