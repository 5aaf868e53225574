const MAX_DEPTH = 64;
const MAX_INT_DIGITS = 400;
const I32_MAX = 2 ** 31 - 1;
const I32_MIN = -(2 ** 31);
const BASE = 1n << 15n;
const FLAG_REF = 0x80;
const [MINUS, PLUS, POINT, ZERO, NINE, EXPONENT] = [0x2d, 0x2b, 0x2e, 0x30, 0x39, 0x65];
const TYPE = {
  none: 0x4e,
  true: 0x54,
  false: 0x46,
  int: 0x69,
  long: 0x6c,
  float: 0x67,
  text: 0x75,
  bytes: 0x73,
  tuple: 0x29,
  list: 0x5b,
  dict: 0x7b,
  end: 0x30,
  ref: 0x72,
} as const;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Writers work in it one after the other, each until its `bytes`; a value that does not fit gets a larger one. */
const scratch = Buffer.allocUnsafeSlow(1 << 16);

/**
 * Writes Python's marshal format, which Python reads in a third of the time that its JSON reader takes (spec: fleet.md section 2).
 * Only ever for the way from the runner to a host: marshal from outside is not safe to read.
 */
export class MarshalWriter {
  /** the JSON at hand */
  private source = "";
  private at = 0;
  private out = scratch;
  private size: number;
  /** keys that were written, by their number: repeated keys cost five bytes */
  private readonly keys = new Map<string, number>();

  /** `head`: so many bytes in front are left to the caller. */
  constructor(head = 0) {
    this.size = head;
  }

  /** What was written, in a buffer of its own. */
  bytes(): Buffer {
    return Buffer.from(this.out.subarray(0, this.size));
  }

  /** Its items follow. At most 255. */
  tuple(count: number): void {
    this.byte(TYPE.tuple);
    this.byte(count);
  }

  /** Keys and values follow in turn, then `end`. */
  dict(): void {
    this.byte(TYPE.dict);
  }

  end(): void {
    this.byte(TYPE.end);
  }

  none(): void {
    this.byte(TYPE.none);
  }

  bool(value: boolean): void {
    this.byte(value ? TYPE.true : TYPE.false);
  }

  /** Any bytes; `utf8`: as a text, which they must be. */
  raw(bytes: Uint8Array, as: "bytes" | "utf8"): void {
    this.byte(as === "bytes" ? TYPE.bytes : TYPE.text);
    this.int32(bytes.length);
    this.append(bytes);
  }

  text(text: string): void {
    this.string(text, 0);
  }

  key(key: string): void {
    const known = this.keys.get(key);
    if (known === undefined) {
      this.keys.set(key, this.keys.size);
      this.string(key, FLAG_REF);
    } else {
      this.byte(TYPE.ref);
      this.int32(known);
    }
  }

  /** The eight bytes of a double, little-endian. */
  double(bytes: Uint8Array): void {
    this.byte(TYPE.float);
    this.append(bytes);
  }

  int(value: number | bigint): void {
    if (value <= I32_MAX && value >= I32_MIN) {
      this.byte(TYPE.int);
      this.int32(Number(value));
    } else this.long(BigInt(value));
  }

  /**
   * The value of a JSON text; whole numbers stay int and others float, as the text writes them. false: not plain JSON, and nothing was
   * written; the host, given the text, says what is wrong with it.
   */
  json(json: Uint8Array): boolean {
    const [size, keys] = [this.size, this.keys.size];
    try {
      this.source = utf8.decode(json);
      this.at = 0;
      this.value(0);
      this.space();
      if (this.at !== this.source.length) throw new SyntaxError("text behind the value");
      return true;
    } catch {
      this.size = size;
      for (const [key, number] of this.keys) if (number >= keys) this.keys.delete(key);
      return false;
    }
  }

  private value(depth: number): void {
    if (depth > MAX_DEPTH) throw new RangeError("too deep");
    this.space();
    const c = this.source[this.at];
    if (c === "{") this.object(depth);
    else if (c === "[") this.array(depth);
    else if (c === '"') this.string(this.quoted(), 0);
    else if (c === "t") this.word("true", TYPE.true);
    else if (c === "f") this.word("false", TYPE.false);
    else if (c === "n") this.word("null", TYPE.none);
    else this.number();
  }

  private object(depth: number): void {
    this.byte(TYPE.dict);
    this.at++;
    for (let first = true; !this.closes("}", first); first = false) {
      if (this.source[this.at] !== '"') throw new SyntaxError("a key is no text");
      this.key(this.quoted());
      this.expect(":");
      this.value(depth + 1);
    }
    this.byte(TYPE.end);
  }

  private array(depth: number): void {
    this.byte(TYPE.list);
    const countAt = this.size;
    this.int32(0);
    this.at++;
    let count = 0;
    for (; !this.closes("]", count === 0); count++) this.value(depth + 1);
    this.out.writeInt32LE(count, countAt);
  }

  /** Steps over a comma, or the bracket that ends the list. */
  private closes(bracket: string, first: boolean): boolean {
    this.space();
    if (this.source[this.at] === bracket) {
      this.at++;
      return true;
    }
    if (!first) this.expect(",");
    this.space();
    return false;
  }

  private quoted(): string {
    const from = this.at++;
    for (;;) {
      const c = this.source.charCodeAt(this.at++);
      if (c === 0x5c) this.at++;
      else if (c === 0x22) break;
      else if (!(c >= 0x20)) throw new SyntaxError("a text does not end"); // NaN behind the end
    }
    const inner = this.source.slice(from + 1, this.at - 1);
    const text = inner.includes("\\") ? (JSON.parse(this.source.slice(from, this.at)) as string) : inner;
    if (!text.isWellFormed()) throw new SyntaxError("half a surrogate pair");
    return text;
  }

  private number(): void {
    const { source } = this;
    const from = this.at;
    let isWhole = true;
    if (source.charCodeAt(this.at) === MINUS) this.at++;
    const first = this.at;
    this.digits();
    if (this.at > first + 1 && source.charCodeAt(first) === ZERO) throw new SyntaxError("a number begins with 0");
    if (source.charCodeAt(this.at) === POINT) {
      isWhole = false;
      this.at++;
      this.digits();
    }
    if ((source.charCodeAt(this.at) | 0x20) === EXPONENT) {
      isWhole = false;
      this.at++;
      const sign = source.charCodeAt(this.at);
      if (sign === MINUS || sign === PLUS) this.at++;
      this.digits();
    }
    const written = source.slice(from, this.at);
    const value = Number(written);
    if (!isWhole) this.float(value);
    else if (written.length <= MAX_INT_DIGITS) this.int(Number.isSafeInteger(value) ? value : BigInt(written));
    else throw new RangeError("too many digits");
  }

  /** At least one. */
  private digits(): void {
    const from = this.at;
    for (let c = this.source.charCodeAt(this.at); c >= ZERO && c <= NINE; c = this.source.charCodeAt(++this.at));
    if (this.at === from) throw new SyntaxError("not JSON");
  }

  private float(value: number): void {
    if (!Number.isFinite(value)) throw new RangeError("beyond the range of a double");
    this.room(9);
    this.out[this.size++] = TYPE.float;
    this.size = this.out.writeDoubleLE(value, this.size);
  }

  private long(value: bigint): void {
    const digits: number[] = [];
    for (let left = value < 0n ? -value : value; left > 0n; left /= BASE) digits.push(Number(left % BASE));
    this.byte(TYPE.long);
    this.int32(value < 0n ? -digits.length : digits.length);
    this.room(2 * digits.length);
    for (const digit of digits) this.size = this.out.writeUInt16LE(digit, this.size);
  }

  private string(text: string, flag: number): void {
    const bytes = Buffer.byteLength(text);
    this.room(bytes + 5);
    this.out[this.size++] = TYPE.text | flag;
    this.size = this.out.writeInt32LE(bytes, this.size);
    this.size += this.out.write(text, this.size);
  }

  private word(word: string, type: number): void {
    if (!this.source.startsWith(word, this.at)) throw new SyntaxError("not JSON");
    this.at += word.length;
    this.byte(type);
  }

  private expect(mark: string): void {
    this.space();
    if (this.source[this.at++] !== mark) throw new SyntaxError(`${mark} is missing`);
  }

  private space(): void {
    for (;;) {
      const c = this.source.charCodeAt(this.at);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      this.at++;
    }
  }

  private append(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.out.set(bytes, this.size);
    this.size += bytes.length;
  }

  private byte(value: number): void {
    this.room(1);
    this.out[this.size++] = value;
  }

  private int32(value: number): void {
    this.room(4);
    this.size = this.out.writeInt32LE(value, this.size);
  }

  private room(bytes: number): void {
    if (this.size + bytes <= this.out.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.out.length * 2, this.size + bytes));
    this.out.copy(larger, 0, 0, this.size);
    this.out = larger;
  }
}
