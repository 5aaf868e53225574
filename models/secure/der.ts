/** ASN.1 in DER: just what a certificate is made of. */
export type Der = Buffer;

const TAG = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_ID: 0x06,
  UTF8_STRING: 0x0c,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const;
const LAST_UTC_YEAR = 2049;

function encode(tag: number, ...parts: readonly Uint8Array[]): Der {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body]);
}
function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const hex = length.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex");
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

export const sequence = (...parts: readonly Der[]): Der => encode(TAG.SEQUENCE, ...parts);
export const set = (...parts: readonly Der[]): Der => encode(TAG.SET, ...parts);
export const octets = (bytes: Uint8Array): Der => encode(TAG.OCTET_STRING, bytes);
export const text = (value: string): Der => encode(TAG.UTF8_STRING, Buffer.from(value));
export const bits = (bytes: Uint8Array, unused = 0): Der => encode(TAG.BIT_STRING, Buffer.from([unused]), bytes);
export const TRUE: Der = Buffer.from([0x01, 0x01, 0xff]);
export const NULL: Der = Buffer.from([0x05, 0x00]);

/** A positive number, most significant byte first. */
export function integer(bytes: Uint8Array): Der {
  const start = bytes.findIndex((byte) => byte !== 0);
  const short = start < 0 ? Buffer.from([0]) : Buffer.from(bytes.subarray(start));
  return encode(TAG.INTEGER, short[0]! & 0x80 ? Buffer.concat([Buffer.from([0]), short]) : short);
}

export function objectId(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return encode(TAG.OBJECT_ID, Buffer.from(bytes));
}

/** Whole seconds; two digits of the year while they are enough, as X.509 wants it. */
export function time(date: Date): Der {
  const digits = `${date.toISOString().slice(0, 19).replaceAll(/[-T:]/g, "")}Z`;
  return date.getUTCFullYear() <= LAST_UTC_YEAR
    ? encode(TAG.UTC_TIME, Buffer.from(digits.slice(2)))
    : encode(TAG.GENERALIZED_TIME, Buffer.from(digits));
}

/** [n], around other values. */
export const explicit = (n: number, ...parts: readonly Der[]): Der => encode(0xa0 | n, ...parts);
/** [n], instead of the tag of a plain value. */
export const implicit = (n: number, bytes: Uint8Array): Der => encode(0x80 | n, bytes);

/** Where the content of a value begins, and where it ends. */
function extent(der: Uint8Array, at: number): { start: number; end: number } {
  const first = der[at + 1] ?? 0;
  const bytes = first < 0x80 ? 0 : first & 0x7f;
  const length =
    bytes === 0 ? first : Number.parseInt(Buffer.from(der.subarray(at + 2, at + 2 + bytes)).toString("hex"), 16);
  const start = at + 2 + bytes;
  if (!Number.isSafeInteger(length) || start + length > der.length) throw new Error("This is not DER");
  return { start, end: start + length };
}

/** The values in a value. */
export function parts(der: Uint8Array): Der[] {
  const { start, end } = extent(der, 0);
  const found: Der[] = [];
  for (let at = start; at < end; ) {
    const next = extent(der, at).end;
    found.push(Buffer.from(der.subarray(at, next)));
    at = next;
  }
  return found;
}

/** What is in a value that holds no others. */
export const contentOf = (der: Uint8Array): Buffer => {
  const { start, end } = extent(der, 0);
  return Buffer.from(der.subarray(start, end));
};
