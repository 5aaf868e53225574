const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const PLAIN_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
const ASCII = /^[\u0000-\u007f]*$/;
const COMPLETE = 4;

/**
 * Bytes of a base64 text as the public peers read it: characters outside the alphabet are skipped, a complete padding
 * ends the text, an incomplete one is an error. Buffer.from would take that, too.
 */
export function fromBase64(text: string): Buffer {
  if (PLAIN_BASE64.test(text)) return Buffer.from(text, "base64");
  if (!ASCII.test(text)) throw new Error("string argument should contain only ASCII characters");
  const { data, isPadded } = dataOf(text);
  if (!isPadded && data.length % COMPLETE === 1)
    throw new Error(
      `Invalid base64-encoded string: number of data characters (${data.length}) cannot be 1 more than a multiple of 4`,
    );
  if (!isPadded && data.length % COMPLETE !== 0) throw new Error("Incorrect padding");
  return Buffer.from(data, "base64");
}

function dataOf(text: string): { data: string; isPadded: boolean } {
  let data = "";
  let pads = 0;
  for (const char of text) {
    if (char === "=") {
      const place = data.length % COMPLETE;
      if (place >= 2 && place + ++pads >= COMPLETE) return { data, isPadded: true };
    } else if (BASE64.includes(char)) {
      data += char;
      pads = 0;
    }
  }
  return { data, isPadded: false };
}

/** The text Solana writes keys in. */
export function toBase58(bytes: Uint8Array): string {
  const zeros = bytes.findIndex((byte) => byte !== 0);
  if (zeros < 0) return "1".repeat(bytes.length);
  let rest = BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
  let text = "";
  for (; rest > 0n; rest /= 58n) text = BASE58[Number(rest % 58n)] + text;
  return "1".repeat(zeros) + text;
}

/** White space at the end is cut off, as the peers do. @throws Error naming the character that does not belong */
export function fromBase58(given: string): Buffer {
  const text = given.trimEnd();
  let value = 0n;
  for (const char of text) {
    const digit = BASE58.indexOf(char);
    if (digit < 0) throw new Error(`Invalid character '${char}'`);
    value = value * 58n + BigInt(digit);
  }
  const zeros = /^1*/.exec(text)![0].length;
  const hex = value === 0n ? "" : value.toString(16);
  return Buffer.concat([Buffer.alloc(zeros), Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex")]);
}

const WHOLE = /^[+-]?\d+(_\d+)*$/;
const FRACTION = /^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)([eE][+-]?\d+(_\d+)*)?$/;

/** The number in a JSON value or in a text such as Python's int() ("whole") and float() read; undefined where none is, or none that is finite. */
export function numberOf(value: unknown, texts: "whole" | "fraction"): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value !== "string" || value.length > 100) return undefined;
  const digits = value.trim();
  if (!(texts === "whole" ? WHOLE : FRACTION).test(digits)) return undefined;
  const number = Number(digits.replaceAll("_", ""));
  return Number.isFinite(number) ? number : undefined;
}

/** JSON of a string in ASCII, as Python writes it: the signed bytes must be the same. */
export const asciiJson = (text: string): string =>
  JSON.stringify(text).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
