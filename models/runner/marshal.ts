const MAX_DEPTH = 64;
const MAX_INT_DIGITS = 400;
const I32_MAX = 2 ** 31 - 1;
const I32_MIN = -(2 ** 31);
const BASE = 1n << 15n;
const FLAG_REF = 0x80;
const [MINUS, PLUS, POINT, ZERO, NINE, EXPONENT] = [0x2d, 0x2b, 0x2e, 0x30, 0x39, 0x65];
const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_LIST, CLOSE_LIST, OPEN_DICT, CLOSE_DICT] = [0x5b, 0x5d, 0x7b, 0x7d];
const [T, F, N] = [0x74, 0x66, 0x6e];
/** So many digits are below 2^53 in any case. */
const EXACT_DIGITS = 15;
/** Powers of ten that are doubles themselves: a quotient of two such numbers is rounded once, as IEEE 754 wants it, and is the nearest double. */
const TENS = Array.from({ length: EXACT_DIGITS + 1 }, (_, power) => 10 ** power);
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
const viewOf = ({ buffer, byteOffset, length }: Buffer) => new DataView(buffer, byteOffset, length);
const scratchView = viewOf(scratch);

interface Key {
  readonly quoted: string;
  readonly number: number;
}

/**
 * Writes Python's marshal format, which Python reads in a third of the time that its JSON reader takes (spec: fleet.md section 2).
 * Only ever for the way from the runner to a host: marshal from outside is not safe to read.
 */
export class MarshalWriter {
  /** the JSON at hand */
  private source = "";
  private at = 0;
  private out = scratch;
  private view = scratchView;
  private size: number;
  /** keys that were written, by their number: repeated keys cost five bytes */
  private readonly keys = new Map<string, number>();
  /** keys of the JSON's last object, quoted, and their numbers: the next object has nearly always the same */
  private shape: readonly Key[] = [];

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
    } else this.longInt(BigInt(value));
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
      this.shape = [];
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
    const c = this.source.charCodeAt(this.at);
    if (c === OPEN_DICT) this.object(depth);
    else if (c === OPEN_LIST) this.array(depth);
    else if (c === QUOTE) this.string(this.quoted(), 0);
    else if (c === T) this.word("true", TYPE.true);
    else if (c === F) this.word("false", TYPE.false);
    else if (c === N) this.word("null", TYPE.none);
    else this.number();
  }

  private object(depth: number): void {
    const expected = this.shape;
    const found: Key[] = [];
    this.byte(TYPE.dict);
    this.at++;
    while (!this.closes(CLOSE_DICT, found.length === 0)) {
      found.push(this.nextKey(expected[found.length]));
      this.expect(COLON);
      this.value(depth + 1);
    }
    this.byte(TYPE.end);
    this.shape = found;
  }

  private nextKey(expected: Key | undefined): Key {
    if (expected && this.source.startsWith(expected.quoted, this.at)) {
      this.at += expected.quoted.length;
      this.byte(TYPE.ref);
      this.int32(expected.number);
      return expected;
    }
    if (this.source.charCodeAt(this.at) !== QUOTE) throw new SyntaxError("a key is no text");
    const from = this.at;
    const key = this.quoted();
    this.key(key);
    return { quoted: this.source.slice(from, this.at), number: this.keys.get(key) ?? 0 };
  }

  private array(depth: number): void {
    this.byte(TYPE.list);
    const countAt = this.size;
    this.int32(0);
    this.at++;
    let count = 0;
    for (; !this.closes(CLOSE_LIST, count === 0); count++) this.value(depth + 1);
    this.view.setInt32(countAt, count, true);
  }

  /** Steps over a comma, or the bracket that ends the list. */
  private closes(bracket: number, first: boolean): boolean {
    this.space();
    if (this.source.charCodeAt(this.at) === bracket) {
      this.at++;
      return true;
    }
    if (!first) this.expect(COMMA);
    this.space();
    return false;
  }

  private quoted(): string {
    const from = this.at++;
    for (;;) {
      const c = this.source.charCodeAt(this.at++);
      if (c === BACKSLASH) this.at++;
      else if (c === QUOTE) break;
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
    const isNegative = source.charCodeAt(from) === MINUS;
    if (isNegative) this.at++;
    const first = this.at;
    let value = this.digits(0);
    const whole = this.at - first;
    if (whole > 1 && source.charCodeAt(first) === ZERO) throw new SyntaxError("a number begins with 0");
    let places = 0;
    if (source.charCodeAt(this.at) === POINT) {
      const point = this.at++;
      value = this.digits(value);
      places = this.at - point - 1;
    }
    if ((source.charCodeAt(this.at) | 0x20) === EXPONENT) {
      this.exponent();
      this.float(Number(source.slice(from, this.at)));
    } else if (whole + places > EXACT_DIGITS) this.long(source.slice(from, this.at), places > 0);
    else if (places > 0) this.float(isNegative ? -(value / TENS[places]!) : value / TENS[places]!);
    else this.int(isNegative ? -value : value);
  }

  private exponent(): void {
    const sign = this.source.charCodeAt(++this.at);
    if (sign === MINUS || sign === PLUS) this.at++;
    this.digits(0);
  }

  /** A number of more digits than a double holds for certain. */
  private long(written: string, isFloat: boolean): void {
    if (isFloat) this.float(Number(written));
    else if (written.length <= MAX_INT_DIGITS) this.int(BigInt(written));
    else throw new RangeError("too many digits");
  }

  /** At least one. Gives `before` with them behind it, exact as long as they are few. */
  private digits(before: number): number {
    const { source } = this;
    let at = this.at;
    let value = before;
    for (let c = source.charCodeAt(at); c >= ZERO && c <= NINE; c = source.charCodeAt(++at))
      value = value * 10 + (c - ZERO);
    if (at === this.at) throw new SyntaxError("not JSON");
    this.at = at;
    return value;
  }

  private float(value: number): void {
    if (!Number.isFinite(value)) throw new RangeError("beyond the range of a double");
    this.room(9);
    this.view.setUint8(this.size, TYPE.float);
    this.view.setFloat64(this.size + 1, value, true);
    this.size += 9;
  }

  private longInt(value: bigint): void {
    const digits: number[] = [];
    for (let left = value < 0n ? -value : value; left > 0n; left /= BASE) digits.push(Number(left % BASE));
    this.byte(TYPE.long);
    this.int32(value < 0n ? -digits.length : digits.length);
    this.room(2 * digits.length);
    for (const digit of digits) {
      this.view.setUint16(this.size, digit, true);
      this.size += 2;
    }
  }

  private string(text: string, flag: number): void {
    const bytes = Buffer.byteLength(text);
    this.room(bytes + 5);
    this.byte(TYPE.text | flag);
    this.int32(bytes);
    this.size += this.out.write(text, this.size);
  }

  private word(word: string, type: number): void {
    if (!this.source.startsWith(word, this.at)) throw new SyntaxError("not JSON");
    this.at += word.length;
    this.byte(type);
  }

  private expect(mark: number): void {
    this.space();
    if (this.source.charCodeAt(this.at++) !== mark) throw new SyntaxError(`${String.fromCharCode(mark)} is missing`);
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
    this.view.setUint8(this.size++, value);
  }

  private int32(value: number): void {
    this.room(4);
    this.view.setInt32(this.size, value, true);
    this.size += 4;
  }

  private room(bytes: number): void {
    if (this.size + bytes <= this.out.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.out.length * 2, this.size + bytes));
    this.out.copy(larger, 0, 0, this.size);
    this.out = larger;
    this.view = viewOf(larger);
  }
}
