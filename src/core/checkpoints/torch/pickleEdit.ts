/**
 * A pickle without some entries of its top dictionary: operations are left out, all others stay as they are, byte for
 * byte. What later operations recall from the memo, and what was only left there by an operation that is gone, is put
 * back where it is recalled first.
 *
 * Only for pickles that {@link unpickle} has read: what it checks is not checked again.
 */
import { PickleError } from './unpickle.ts';

/** A value on the stack: the operations that made it, and filled it since. */
interface Item {
  readonly start: number;
  end: number;
  readonly text?: string;
}

interface Entry {
  readonly key: string | undefined;
  readonly start: number;
  readonly end: number;
}

interface Operation {
  readonly code: number;
  readonly start: number;
  readonly end: number;
  /** Of the memo, for operations that store or recall. */
  readonly index?: number;
}

/** @throws PickleError when an entry holds what the rest needs and cannot be taken out of it. */
export function withoutEntries(bytes: Uint8Array, keys: ReadonlySet<string>): Uint8Array {
  const scan = new Scan(bytes);
  const gone = scan.entries.filter(({ key }) => key !== undefined && keys.has(key));
  if (gone.length === 0) return bytes;
  return new Rewriter(bytes, scan, gone).run();
}

const STORE = new Set([0x71, 0x72, 0x70, 0x94]);
const RECALL = new Set([0x68, 0x6a, 0x67]);
const MEMOIZE = 0x94;
/** Of values that recall one another. */
const MAX_DEPTH = 1000;
const FRAME = 0x95;

/** What every operation did to the stack. */
class Scan {
  readonly operations: Operation[] = [];
  /** By index of the memo. */
  readonly memo = new Map<number, Item>();
  /** Of the top dictionary. */
  entries: Entry[] = [];
  readonly #entriesOf = new Map<Item, Entry[]>();
  #stack: Item[] = [];
  readonly #marks: { readonly height: number; readonly start: number }[] = [];

  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (bytes[at] !== 0x2e) {
      const start = at;
      const code = bytes[at]!;
      at += lengthAt(bytes, view, at);
      const argument = bytes.subarray(start + 1, at);
      const index = STORE.has(code) || RECALL.has(code) ? this.#indexOf(code, argument) : undefined;
      this.operations.push({ code, start, end: at, ...(index === undefined ? {} : { index }) });
      this.#step(code, start, at, argument, index);
    }
    this.operations.push({ code: 0x2e, start: at, end: at + 1 });
    const root = this.#stack.at(-1);
    this.entries = (root && this.#entriesOf.get(root)) ?? [];
  }

  #indexOf(code: number, argument: Uint8Array): number {
    if (code === MEMOIZE) return this.memo.size;
    if (code === 0x71 || code === 0x68) return argument[0]!;
    if (code === 0x72 || code === 0x6a) return Buffer.from(argument).readUInt32LE(0);
    return Number(Buffer.from(argument).toString('latin1'));
  }

  #step(code: number, start: number, end: number, argument: Uint8Array, index: number | undefined): void {
    const stack = this.#stack;
    const top = stack.at(-1);
    if (index !== undefined) {
      if (RECALL.has(code)) {
        const known = this.memo.get(index);
        stack.push({ start, end, ...(known?.text === undefined ? {} : { text: known.text }) });
        return;
      }
      top!.end = end;
      if (this.memo.has(index)) throw new PickleError('stores two values under one number.');
      this.memo.set(index, top!);
      return;
    }
    switch (code) {
      case 0x80: // PROTO
      case FRAME:
        return;
      case 0x28: // MARK
        this.#marks.push({ height: stack.length, start });
        return;
      case 0x30: // POP
        if (this.#marks.at(-1)?.height === stack.length) this.#marks.pop();
        else stack.pop();
        return;
      case 0x31: // POP_MARK
        this.#popMark();
        return;
      case 0x32: // DUP: its operation alone does not make the value
        throw new PickleError('duplicates a value on the stack of its pickle.');
      case 0x6c: // LIST
      case 0x74: // TUPLE
      case 0x91: // FROZENSET
      case 0x64: // DICT
      case 0x69: // INST
      case 0x6f: {
        // OBJ
        const { start: from, items } = this.#popMark();
        const made = { start: from, end };
        stack.push(made);
        if (code === 0x64) this.#setItems(made, items, end);
        return;
      }
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        this.#combine(code - 0x84, end);
        return;
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
      case 0x93: // STACK_GLOBAL
        this.#combine(2, end);
        return;
      case 0x92: // NEWOBJ_EX
        this.#combine(3, end);
        return;
      case 0x51: // BINPERSID
        this.#combine(1, end);
        return;
      case 0x61: // APPEND
      case 0x62: // BUILD
        stack.pop();
        stack.at(-1)!.end = end;
        return;
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        this.#popMark();
        stack.at(-1)!.end = end;
        return;
      case 0x73: {
        // SETITEM: leaves with its entry
        const [key, value] = stack.splice(-2) as [Item, Item];
        this.#setItems(stack.at(-1)!, [key, { start: value.start, end }], end);
        return;
      }
      case 0x75: {
        // SETITEMS
        const { items } = this.#popMark();
        this.#setItems(stack.at(-1)!, items, end);
        return;
      }
      default: {
        const text = TEXTS.has(code) ? textOf(code, argument) : undefined;
        stack.push({ start, end, ...(text === undefined ? {} : { text }) });
      }
    }
  }

  #combine(count: number, end: number): void {
    const [first] = this.#stack.splice(-count);
    this.#stack.push({ start: first!.start, end });
  }

  #popMark(): { readonly start: number; readonly items: readonly Item[] } {
    const { height, start } = this.#marks.pop()!;
    return { start, items: this.#stack.splice(height) };
  }

  #setItems(target: Item, items: readonly Item[], end: number): void {
    target.end = end;
    let entries = this.#entriesOf.get(target);
    if (entries === undefined) this.#entriesOf.set(target, (entries = []));
    for (let i = 0; i + 1 < items.length; i += 2) {
      const [key, value] = [items[i]!, items[i + 1]!];
      entries.push({ key: key.text, start: key.start, end: value.end });
    }
  }
}

class Rewriter {
  readonly #bytes: Uint8Array;
  readonly #scan: Scan;
  readonly #gone: readonly Entry[];
  /** Stored by operations that are gone, and not stored again yet. */
  readonly #lost = new Set<number>();
  #depth = 0;
  readonly #out: Uint8Array[] = [];

  constructor(bytes: Uint8Array, scan: Scan, gone: readonly Entry[]) {
    this.#bytes = bytes;
    this.#scan = scan;
    this.#gone = gone.toSorted((a, b) => a.start - b.start);
  }

  run(): Uint8Array {
    let entry = 0;
    for (const operation of this.#scan.operations) {
      while (this.#gone[entry] !== undefined && this.#gone[entry]!.end <= operation.start) entry++;
      const around = this.#gone[entry];
      if (around === undefined || operation.start < around.start) this.#put(operation);
      else if (STORE.has(operation.code)) this.#lost.add(operation.index!);
    }
    return Buffer.concat(this.#out);
  }

  #put({ code, start, end, index }: Operation): void {
    // Frames only tell a reader how much to read ahead, and would have to be counted again.
    if (code === FRAME) return;
    if (code === MEMOIZE) {
      // It counts what was stored before.
      const store = Buffer.from([0x72, 0, 0, 0, 0]);
      store.writeUInt32LE(index!, 1);
      this.#out.push(store);
    } else if (RECALL.has(code) && this.#lost.has(index!)) {
      this.#restore(index!);
    } else {
      this.#out.push(this.#bytes.subarray(start, end));
    }
    if (STORE.has(code)) this.#lost.delete(index!);
  }

  #restore(index: number): void {
    const { start, end } = this.#scan.memo.get(index)!;
    if (++this.#depth > MAX_DEPTH) throw new PickleError('nests its values deeper than any checkpoint does.');
    for (const operation of operationsIn(this.#scan.operations, start, end)) this.#put(operation);
    this.#depth--;
  }
}

function operationsIn(operations: readonly Operation[], start: number, end: number): readonly Operation[] {
  const first = lowerBound(operations, start);
  return operations.slice(first, lowerBound(operations, end));
}

function lowerBound(operations: readonly Operation[], place: number): number {
  let low = 0;
  for (let high = operations.length; low < high;) {
    const middle = (low + high) >>> 1;
    if (operations[middle]!.start < place) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Lengths ----------------------------------------------------------------------------------------------------------

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
/** Operations that push a text, by the bytes of its length. */
const TEXTS: ReadonlyMap<number, number> = new Map([
  [0x58, 4],
  [0x8c, 1],
  [0x8d, 8],
]);

function textOf(code: number, argument: Uint8Array): string {
  return utf8.decode(argument.subarray(TEXTS.get(code)));
}

/** Bytes of the arguments of operations where that is always the same. */
const FIXED: ReadonlyMap<number, number> = new Map([
  ...[0x80, 0x4b, 0x71, 0x68].map((code): [number, number] => [code, 1]),
  [0x4d, 2],
  ...[0x4a, 0x72, 0x6a].map((code): [number, number] => [code, 4]),
  ...[0x95, 0x47].map((code): [number, number] => [code, 8]),
]);
/** Bytes of the length that stands before the argument. */
const COUNTED: ReadonlyMap<number, number> = new Map([
  ...TEXTS,
  ...[0x8a, 0x55, 0x43].map((code): [number, number] => [code, 1]),
  ...[0x8b, 0x54, 0x42].map((code): [number, number] => [code, 4]),
  ...[0x8e, 0x96].map((code): [number, number] => [code, 8]),
]);
/** Lines of the argument. */
const LINES: ReadonlyMap<number, number> = new Map([
  ...[0x49, 0x4c, 0x46, 0x56, 0x53, 0x70, 0x67].map((code): [number, number] => [code, 1]),
  ...[0x63, 0x69].map((code): [number, number] => [code, 2]),
]);

/** Of the operation with its argument. */
function lengthAt(bytes: Uint8Array, view: DataView, at: number): number {
  const code = bytes[at]!;
  const fixed = FIXED.get(code);
  if (fixed !== undefined) return 1 + fixed;
  const counted = COUNTED.get(code);
  if (counted !== undefined) {
    const count =
      counted === 1
        ? bytes[at + 1]!
        : counted === 4
          ? view.getUint32(at + 1, true)
          : Number(view.getBigUint64(at + 1, true));
    return 1 + counted + count;
  }
  let end = at + 1;
  for (let line = LINES.get(code) ?? 0; line > 0; line--) end = bytes.indexOf(0x0a, end) + 1;
  return end - at;
}
