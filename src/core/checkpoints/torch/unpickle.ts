/**
 * A closed reader of Python pickles: it builds inert records and never executes, imports or looks up anything.
 *
 * A GLOBAL is a record of two strings; REDUCE, NEWOBJ and BUILD make a record of what Python would have called with
 * what. What a record stands for is decided by whoever walks the result, from a fixed table. Lengths are checked
 * before anything is allocated, and work, nesting and the number of objects are limited.
 * Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
 */

/** Why a pickle is none, or goes too far: half a sentence that follows the file's name. */
export class PickleError extends Error {}
/** The bytes end before the pickle does. */
export class PickleTruncated extends PickleError {}

export class Global {
  readonly module: string;
  readonly name: string;

  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }

  toString(): string {
    return `${this.module}.${this.name}`;
  }
}

/** list, tuple or set; the difference does not matter to a reader of weights, except as a size or a stride. */
export class Sequence {
  readonly kind: 'list' | 'tuple' | 'set';
  items: Value[];

  constructor(kind: 'list' | 'tuple' | 'set', items: Value[] = []) {
    this.kind = kind;
    this.items = items;
  }
}

/** A Map: a key `__proto__` is a key like any other. Made when it is first asked for: a pickle of nothing but empty ones costs little. */
export class Dictionary {
  #entries: Map<Value, Value> | undefined;

  get entries(): Map<Value, Value> {
    return (this.#entries ??= new Map());
  }
}

/** What a callable would have made of its arguments. */
export class Made {
  readonly callable: Value;
  readonly args: Value;
  /** Given by BUILD: usually a Dictionary of attributes. */
  state: Value = null;
  /** Given by SETITEMS: an OrderedDict's entries, for one. */
  entries: Map<Value, Value> | undefined;
  /** Given by APPENDS and ADDITEMS. */
  items: Value[] | undefined;

  constructor(callable: Value, args: Value) {
    this.callable = callable;
    this.args = args;
  }

  /** The callable's name, where it is a plain one: `torch._utils._rebuild_tensor_v2`. */
  get name(): string | undefined {
    return this.callable instanceof Global ? this.callable.toString() : undefined;
  }
}

/** An object that lies outside the pickle: a storage. */
export class Persistent {
  readonly id: Value;

  constructor(id: Value) {
    this.id = id;
  }
}

export type Value =
  null | boolean | number | bigint | string | Uint8Array | Global | Sequence | Dictionary | Made | Persistent;

export interface Unpickled {
  readonly value: Value;
  /** Bytes up to and with STOP. */
  readonly length: number;
  /** Every GLOBAL, each once, as `module.name`. */
  readonly globals: readonly string[];
  /** Everything that lies outside, wherever it is referred to. */
  readonly outside: readonly Persistent[];
}

/** A model of 10 000 tensors with an optimizer takes a tenth of each. */
export const MAX_PICKLE_BYTES = 64 << 20;
const MAX_OPERATIONS = 4_000_000;
const MAX_OBJECTS = 400_000;
const MAX_MEMO = 600_000;
const MAX_STACK = 1_000_000;
const MAX_MARKS = 10_000;
const MAX_GLOBALS = 10_000;
/** Of an integer; a seed of a random generator takes 16. */
const MAX_INTEGER_BYTES = 4096;
/** Of a number in text. */
const MAX_DIGITS = 4096;

/**
 * @throws PickleTruncated when the bytes end too early, PickleError for everything else that is wrong.
 */
export function unpickle(bytes: Uint8Array): Unpickled {
  return new Machine(bytes).run();
}

class Machine {
  readonly #bytes: Uint8Array;
  /** The same bytes, for text: a TextDecoder takes five times as long for a short one. */
  readonly #buffer: Buffer;
  readonly #view: DataView;
  #at = 0;
  #stack: Value[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, Value>();
  readonly #globals = new Map<string, Global>();
  readonly #outside: Persistent[] = [];
  #objects = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): Unpickled {
    for (let operation = 0; operation < MAX_OPERATIONS; operation++) {
      const code = this.#bytes[this.#need(1)]!;
      if (code === 0x2e) {
        const globals = [...this.#globals.keys()];
        return { value: this.#pop(), length: this.#at, globals, outside: this.#outside };
      }
      this.#step(code);
      if (this.#stack.length > MAX_STACK || this.#memo.size > MAX_MEMO || this.#marks.length > MAX_MARKS) {
        throw new PickleError('nests deeper or holds more values in its pickle than any checkpoint does.');
      }
    }
    throw new PickleError(`takes more than ${MAX_OPERATIONS} steps to unpickle.`);
  }

  #step(code: number): void {
    switch (code) {
      case 0x80: // PROTO
        if (this.#uint(1) > 5) throw new PickleError('is pickled with a protocol newer than 5.');
        return;
      case 0x95: // FRAME
        this.#uint(8);
        return;
      case 0x28: // MARK
        this.#marks.push(this.#stack.length);
        return;
      case 0x30: // POP
        if (this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
        else this.#pop();
        return;
      case 0x31: // POP_MARK
        this.#popMark();
        return;
      case 0x32: // DUP
        this.#push(this.#top());
        return;

      case 0x4e: // NONE
        this.#push(null);
        return;
      case 0x88: // NEWTRUE
        this.#push(true);
        return;
      case 0x89: // NEWFALSE
        this.#push(false);
        return;
      case 0x4b: // BININT1
        this.#push(this.#uint(1));
        return;
      case 0x4d: // BININT2
        this.#push(this.#uint(2));
        return;
      case 0x4a: // BININT
        this.#push(this.#view.getInt32(this.#need(4), true));
        return;
      case 0x8a: // LONG1
        this.#push(this.#long(this.#uint(1)));
        return;
      case 0x8b: // LONG4
        this.#push(this.#long(this.#uint(4)));
        return;
      case 0x49: // INT: 01 and 00 are booleans
        this.#push(this.#textInteger(true));
        return;
      case 0x4c: // LONG
        this.#push(this.#textInteger(false));
        return;
      case 0x47: // BINFLOAT
        this.#push(this.#view.getFloat64(this.#need(8), false));
        return;
      case 0x46: // FLOAT
        this.#push(Number(this.#line(MAX_DIGITS)));
        return;

      case 0x58: // BINUNICODE
        this.#push(this.#text('utf8', this.#uint(4)));
        return;
      case 0x8c: // SHORT_BINUNICODE
        this.#push(this.#text('utf8', this.#uint(1)));
        return;
      case 0x8d: // BINUNICODE8
        this.#push(this.#text('utf8', this.#uint(8)));
        return;
      case 0x56: // UNICODE: raw-unicode-escape
        this.#push(this.#line(MAX_PICKLE_BYTES));
        return;
      case 0x54: // BINSTRING: Python 2
        this.#push(this.#text('latin1', this.#uint(4)));
        return;
      case 0x55: // SHORT_BINSTRING
        this.#push(this.#text('latin1', this.#uint(1)));
        return;
      case 0x53: // STRING: quoted
        this.#push(this.#line(MAX_PICKLE_BYTES).trim().slice(1, -1));
        return;
      case 0x42: // BINBYTES
        this.#push(this.#take(this.#uint(4)));
        return;
      case 0x43: // SHORT_BINBYTES
        this.#push(this.#take(this.#uint(1)));
        return;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        this.#push(this.#take(this.#uint(8)));
        return;

      case 0x5d: // EMPTY_LIST
        this.#push(this.#made(new Sequence('list')));
        return;
      case 0x29: // EMPTY_TUPLE
        this.#push(this.#made(new Sequence('tuple')));
        return;
      case 0x8f: // EMPTY_SET
        this.#push(this.#made(new Sequence('set')));
        return;
      case 0x7d: // EMPTY_DICT
        this.#push(this.#made(new Dictionary()));
        return;
      case 0x6c: // LIST
        this.#push(this.#made(new Sequence('list', this.#popMark())));
        return;
      case 0x74: // TUPLE
        this.#push(this.#made(new Sequence('tuple', this.#popMark())));
        return;
      case 0x91: // FROZENSET
        this.#push(this.#made(new Sequence('set', this.#popMark())));
        return;
      case 0x64: {
        // DICT
        const dictionary = this.#made(new Dictionary());
        this.#setItems(dictionary, this.#popMark());
        this.#push(dictionary);
        return;
      }
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        this.#push(this.#made(new Sequence('tuple', this.#popMany(code - 0x84))));
        return;
      case 0x61: // APPEND
        this.#append(this.#popMany(1));
        return;
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        this.#append(this.#popMark());
        return;
      case 0x73: {
        // SETITEM
        const items = this.#popMany(2);
        this.#setItems(this.#top(), items);
        return;
      }
      case 0x75: {
        // SETITEMS
        const items = this.#popMark();
        this.#setItems(this.#top(), items);
        return;
      }

      case 0x71: // BINPUT
        this.#memo.set(this.#uint(1), this.#top());
        return;
      case 0x72: // LONG_BINPUT
        this.#memo.set(this.#uint(4), this.#top());
        return;
      case 0x70: // PUT
        this.#memo.set(this.#memoIndex(), this.#top());
        return;
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top());
        return;
      case 0x68: // BINGET
        this.#push(this.#recall(this.#uint(1)));
        return;
      case 0x6a: // LONG_BINGET
        this.#push(this.#recall(this.#uint(4)));
        return;
      case 0x67: // GET
        this.#push(this.#recall(this.#memoIndex()));
        return;

      case 0x63: {
        // GLOBAL
        const module = this.#line(1000);
        this.#push(this.#global(module, this.#line(1000)));
        return;
      }
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') {
          throw new PickleError('names a Python object by something that is not text.');
        }
        this.#push(this.#global(module, name));
        return;
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callable, args] = this.#popMany(2) as [Value, Value];
        this.#push(this.#made(new Made(callable, args)));
        return;
      }
      case 0x92: {
        // NEWOBJ_EX: with keyword arguments
        const [callable, args] = this.#popMany(3) as [Value, Value, Value];
        this.#push(this.#made(new Made(callable, args)));
        return;
      }
      case 0x69: {
        // INST
        const module = this.#line(1000);
        const callable = this.#global(module, this.#line(1000));
        this.#push(this.#made(new Made(callable, new Sequence('tuple', this.#popMark()))));
        return;
      }
      case 0x6f: {
        // OBJ
        const [callable = null, ...args] = this.#popMark();
        this.#push(this.#made(new Made(callable, new Sequence('tuple', args))));
        return;
      }
      case 0x62: {
        // BUILD. A dictionary's attributes (`_metadata` of a state_dict) say nothing about its entries.
        const state = this.#pop();
        const object = this.#top();
        if (object instanceof Made) object.state = state;
        return;
      }
      case 0x51: {
        // BINPERSID
        const persistent = this.#made(new Persistent(this.#pop()));
        this.#outside.push(persistent);
        this.#push(persistent);
        return;
      }

      case 0x50: // PERSID
      case 0x82: // EXT1
      case 0x83: // EXT2
      case 0x84: // EXT4
      case 0x97: // NEXT_BUFFER
      case 0x98: // READONLY_BUFFER
        throw new PickleError(
          `uses the pickle operation 0x${code.toString(16)}, which torch.save never does.`,
        );
      default:
        throw new PickleError(
          `is not a pickle: there is no operation 0x${code.toString(16)} (byte ${this.#at - 1}).`,
        );
    }
  }

  // Bytes ----------------------------------------------------------------------------------------------------------

  /** Passes over that many bytes and gives the position of the first. */
  #need(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) throw new PickleTruncated('ends in the middle of its pickle.');
    this.#at += count;
    return at;
  }

  #take(count: number): Uint8Array {
    const at = this.#need(count);
    return this.#bytes.subarray(at, at + count);
  }

  #text(encoding: 'utf8' | 'latin1', count: number): string {
    const at = this.#need(count);
    return this.#buffer.toString(encoding, at, at + count);
  }

  #uint(size: 1 | 2 | 4 | 8): number {
    const at = this.#need(size);
    switch (size) {
      case 1:
        return this.#bytes[at]!;
      case 2:
        return this.#view.getUint16(at, true);
      case 4:
        return this.#view.getUint32(at, true);
      case 8: {
        const value = Number(this.#view.getBigUint64(at, true));
        if (value > MAX_PICKLE_BYTES) throw new PickleError(`says that a value has ${value} bytes.`);
        return value;
      }
    }
  }

  #long(size: number): number | bigint {
    if (size > MAX_INTEGER_BYTES) throw new PickleError(`holds an integer of ${size} bytes.`);
    const bytes = this.#take(size);
    if (size === 0) return 0;
    let value = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
    if (bytes[size - 1]! >= 0x80) value -= 1n << BigInt(8 * size);
    return narrow(value);
  }

  #line(limit: number): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end === -1) throw new PickleTruncated('ends in the middle of its pickle.');
    if (end - this.#at > limit) throw new PickleError(`has a line of ${end - this.#at} bytes in its pickle.`);
    const text = this.#buffer.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }

  #textInteger(booleans: boolean): number | bigint | boolean {
    const text = this.#line(MAX_DIGITS).replace(/L$/, '');
    if (booleans && (text === '00' || text === '01')) return text === '01';
    if (!/^-?\d+$/.test(text)) throw new PickleError('holds an integer that is none.');
    return narrow(BigInt(text));
  }

  // Stack and memo -------------------------------------------------------------------------------------------------

  #push(value: Value): void {
    this.#stack.push(value);
  }

  /** The lowest place that belongs to the current level. */
  #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }

  #top(): Value {
    if (this.#stack.length <= this.#floor())
      throw new PickleError('takes a value that its pickle never made.');
    return this.#stack.at(-1)!;
  }

  #pop(): Value {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #popMany(count: number): Value[] {
    const from = this.#stack.length - count;
    if (from < this.#floor()) throw new PickleError('takes a value that its pickle never made.');
    return this.#stack.splice(from);
  }

  #popMark(): Value[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw new PickleError('closes a list that its pickle never opened.');
    return this.#stack.splice(mark);
  }

  #recall(index: number): Value {
    const value = this.#memo.get(index);
    if (value === undefined) throw new PickleError('recalls a value that its pickle never stored.');
    return value;
  }

  #memoIndex(): number {
    const index = Number(this.#line(20));
    if (!Number.isSafeInteger(index) || index < 0) throw new PickleError('numbers a value by no number.');
    return index;
  }

  // Objects --------------------------------------------------------------------------------------------------------

  #made<T extends Value>(object: T): T {
    if (++this.#objects > MAX_OBJECTS) {
      throw new PickleError(`holds more than ${MAX_OBJECTS} objects in its pickle.`);
    }
    return object;
  }

  #global(module: string, name: string): Global {
    const key = `${module}.${name}`;
    let global = this.#globals.get(key);
    if (global === undefined) {
      if (this.#globals.size >= MAX_GLOBALS)
        throw new PickleError('names more Python objects than any checkpoint.');
      global = new Global(module, name);
      this.#globals.set(key, global);
    }
    return global;
  }

  #append(items: readonly Value[]): void {
    const target = this.#top();
    let into: Value[];
    if (target instanceof Sequence && target.kind !== 'tuple') into = target.items;
    else if (target instanceof Made) into = target.items ??= [];
    else throw new PickleError('appends to something that is no list.');
    // No spread: an argument list of a million values overflows the stack.
    for (const item of items) into.push(item);
  }

  #setItems(target: Value, items: readonly Value[]): void {
    let entries: Map<Value, Value>;
    if (target instanceof Dictionary) entries = target.entries;
    else if (target instanceof Made) entries = target.entries ??= new Map<Value, Value>();
    else throw new PickleError('sets an entry of something that is no dictionary.');
    if (items.length % 2 !== 0) throw new PickleError('has a dictionary key without a value.');
    for (let i = 0; i < items.length; i += 2) entries.set(items[i]!, items[i + 1]!);
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
