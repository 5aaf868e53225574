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
  list: 0x5b,
  dict: 0x7b,
  end: 0x30,
  ref: 0x72,
} as const;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The bytes of Python's marshal format for a JSON text: Python reads them in a third of the time that its JSON reader takes
 * (spec: fleet.md section 2). Whole numbers stay int and others float, as the text writes them. undefined: not plain JSON; send the text, the
 * host says what is wrong with it. Only ever for the way from the runner to a host: marshal from outside is not safe to read.
 */
export function marshalJson(json: Uint8Array): Buffer | undefined {
  try {
    return new Marshaller(utf8.decode(json)).whole();
  } catch {
    return undefined;
  }
}

class Marshaller {
  readonly text: string;
  at = 0;
  out = Buffer.allocUnsafe(1 << 15);
  size = 0;
  /** keys that were written, by their number: repeated keys cost five bytes */
  readonly keys = new Map<string, number>();

  constructor(text: string) {
    this.text = text;
  }

  whole(): Buffer {
    this.value(0);
    this.space();
    if (this.at !== this.text.length) throw new SyntaxError("text behind the value");
    return this.out.subarray(0, this.size);
  }

  private value(depth: number): void {
    if (depth > MAX_DEPTH) throw new RangeError("too deep");
    this.space();
    const c = this.text[this.at];
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
      if (this.text[this.at] !== '"') throw new SyntaxError("a key is no text");
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
    if (this.text[this.at] === bracket) {
      this.at++;
      return true;
    }
    if (!first) this.expect(",");
    this.space();
    return false;
  }

  private key(key: string): void {
    const known = this.keys.get(key);
    if (known === undefined) {
      this.keys.set(key, this.keys.size);
      this.string(key, FLAG_REF);
    } else {
      this.byte(TYPE.ref);
      this.int32(known);
    }
  }

  private quoted(): string {
    const from = this.at++;
    for (;;) {
      const c = this.text.charCodeAt(this.at++);
      if (c === 0x5c) this.at++;
      else if (c === 0x22) break;
      else if (!(c >= 0x20)) throw new SyntaxError("a text does not end"); // NaN behind the end
    }
    const inner = this.text.slice(from + 1, this.at - 1);
    const text = inner.includes("\\") ? (JSON.parse(this.text.slice(from, this.at)) as string) : inner;
    if (!text.isWellFormed()) throw new SyntaxError("half a surrogate pair");
    return text;
  }

  private number(): void {
    const { text } = this;
    const from = this.at;
    let isWhole = true;
    if (text.charCodeAt(this.at) === MINUS) this.at++;
    const first = this.at;
    this.digits();
    if (this.at > first + 1 && text.charCodeAt(first) === ZERO) throw new SyntaxError("a number begins with 0");
    if (text.charCodeAt(this.at) === POINT) {
      isWhole = false;
      this.at++;
      this.digits();
    }
    if ((text.charCodeAt(this.at) | 0x20) === EXPONENT) {
      isWhole = false;
      this.at++;
      const sign = text.charCodeAt(this.at);
      if (sign === MINUS || sign === PLUS) this.at++;
      this.digits();
    }
    const written = text.slice(from, this.at);
    const value = Number(written);
    if (!isWhole) this.float(value);
    else if (value <= I32_MAX && value >= I32_MIN) {
      this.byte(TYPE.int);
      this.int32(value);
    } else if (written.length <= MAX_INT_DIGITS) this.long(BigInt(written));
    else throw new RangeError("too many digits");
  }

  /** At least one. */
  private digits(): void {
    const from = this.at;
    for (let c = this.text.charCodeAt(this.at); c >= ZERO && c <= NINE; c = this.text.charCodeAt(++this.at));
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
    if (!this.text.startsWith(word, this.at)) throw new SyntaxError("not JSON");
    this.at += word.length;
    this.byte(type);
  }

  private expect(mark: string): void {
    this.space();
    if (this.text[this.at++] !== mark) throw new SyntaxError(`${mark} is missing`);
  }

  private space(): void {
    for (;;) {
      const c = this.text.charCodeAt(this.at);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      this.at++;
    }
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
