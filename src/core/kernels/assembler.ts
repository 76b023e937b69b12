/**
 * Enough of WebAssembly to write small SIMD loops down as expressions: an instruction is a function from the code of
 * its operands to the code of itself, so `f64x2.add(get(a), f64x2.mul(get(b), get(c)))` reads as it computes. What is
 * not used here is not here. Opcodes: WebAssembly Core Specification 2.0, 5.4.
 */

/** Bytes of code that leave their result on the stack. */
export type Code = readonly number[];
/** Index of a parameter or local variable. */
export type Local = number;
export type ValueType = 'i32' | 'f32' | 'f64' | 'v128';

const TYPE_CODES: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** Signed LEB128 of 32 bits. */
function signed(value: number): number[] {
  const last = value >= -64 && value < 64;
  return last ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}

function float32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return bytes;
}

function float64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return bytes;
}

const plain =
  (...opcode: readonly number[]) =>
  (...operands: readonly Code[]): Code => [...operands.flat(), ...opcode];
const simd = (opcode: number) => plain(0xfd, ...unsigned(opcode));

/** Address, then what is stored; `offset` in bytes. Alignment is only a hint: none is promised. */
const memory =
  (...opcode: readonly number[]) =>
  (offset: number, ...operands: readonly Code[]): Code => [
    ...operands.flat(),
    ...opcode,
    0,
    ...unsigned(offset),
  ];
const simdMemory = (opcode: number) => memory(0xfd, ...unsigned(opcode));

export const get = (local: Local): Code => [0x20, ...unsigned(local)];
export const set = (local: Local, value: Code): Code => [...value, 0x21, ...unsigned(local)];

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  load: memory(0x28),
  add: plain(0x6a),
  and: plain(0x71),
  ltU: plain(0x49),
  eqz: plain(0x45),
};

export const f32 = {
  load: memory(0x2a),
  store: memory(0x38),
  add: plain(0x92),
  mul: plain(0x94),
  div: plain(0x95),
  max: plain(0x97),
  const: (value: number): Code => [0x43, ...float32(value)],
};

export const f64 = {
  const: (value: number): Code => [0x44, ...float64(value)],
  load: memory(0x2b),
  store: memory(0x39),
  add: plain(0xa0),
  mul: plain(0xa2),
  promoteF32: plain(0xbb),
};

export const v128 = {
  load: simdMemory(0x00),
  load32Splat: simdMemory(0x09),
  load64Splat: simdMemory(0x0a),
  load64Zero: simdMemory(0x5d),
  store: simdMemory(0x0b),
  not: simd(0x4d),
  and: simd(0x4e),
  /** a and not b. */
  andNot: simd(0x4f),
  or: simd(0x50),
  anyTrue: simd(0x53),
  /** Of the first operand where the third has ones, of the second where it has zeros. */
  bitselect: simd(0x52),
  /** The low, or the high, halves of two vectors side by side. */
  lowHalves: (a: Code, b: Code): Code => shuffle(a, b, 0),
  highHalves: (a: Code, b: Code): Code => shuffle(a, b, 8),
};

function shuffle(a: Code, b: Code, first: number): Code {
  const lanes = Array.from({ length: 8 }, (_, k) => first + k);
  return [...a, ...b, 0xfd, 0x0d, ...lanes, ...lanes.map((lane) => lane + 16)];
}

export const i16x8 = {
  splat: simd(0x10),
  shl: simd(0x8b),
  maxU: simd(0x99),
  ltU: simd(0x30),
};

export const i32x4 = {
  splat: simd(0x11),
  shl: simd(0xab),
  shrS: simd(0xac),
  shrU: simd(0xad),
  add: simd(0xae),
  maxU: simd(0xb9),
  ltU: simd(0x3a),
  /** Toward zero; NaN becomes 0. */
  truncSatF32x4: simd(0xf8),
};

export const f32x4 = {
  splat: simd(0x13),
  extractLane: (lane: number, value: Code): Code => [...value, 0xfd, 0x1f, lane],
  add: simd(0xe4),
  mul: simd(0xe6),
  div: simd(0xe7),
  eq: simd(0x41),
  lt: simd(0x43),
  abs: simd(0xe0),
  /** NaN where either is; `pmax` is faster. */
  max: simd(0xe9),
  nearest: simd(0x6a),
  convertI32x4: simd(0xfa),
  pmin: simd(0xea),
  pmax: simd(0xeb),
  /** Two float64 rounded to nearest even, and two zeros. */
  demoteF64x2Zero: simd(0x5e),
};

export const f64x2 = {
  splat: simd(0x14),
  extractLane: (lane: 0 | 1, value: Code): Code => [...value, 0xfd, 0x21, lane],
  promoteLowF32x4: simd(0x5f),
  abs: simd(0xec),
  add: simd(0xf0),
  sub: simd(0xf1),
  mul: simd(0xf2),
  /** b where a < b, else a: one machine instruction, as `max` with its care for NaN is not. */
  pmax: simd(0xf7),
  le: simd(0x4b),
};

/** Runs the body, and again while the condition then holds: at least once. */
export function doWhile(condition: Code, ...body: readonly Code[]): Code {
  return [0x03, 0x40, ...body.flat(), ...condition, 0x0d, 0x00, 0x0b];
}

export function when(condition: Code, ...body: readonly Code[]): Code {
  return [...condition, 0x04, 0x40, ...body.flat(), 0x0b];
}

export function either(condition: Code, yes: readonly Code[], no: readonly Code[]): Code {
  return [...condition, 0x04, 0x40, ...yes.flat(), 0x05, ...no.flat(), 0x0b];
}

/** To, from, bytes. */
export const copyBytes = (...operands: readonly Code[]): Code => [...operands.flat(), 0xfc, 0x0a, 0, 0];

/** A function's parameters and local variables. */
export class Registers {
  readonly parameters: readonly ValueType[];
  readonly locals: ValueType[] = [];
  /** Sets the constants. */
  prologue: Code = [];

  constructor(parameters: readonly ValueType[]) {
    this.parameters = parameters;
  }

  /** Starts as zero. */
  variable(type: ValueType = 'v128'): Local {
    return this.parameters.length + this.locals.push(type) - 1;
  }

  /** A vector that is made once, before the function's body: V8 would make it anew at every use. */
  constant(value: Code): Code {
    const local = this.variable();
    this.prologue = [...this.prologue, ...set(local, value)];
    return get(local);
  }
}

export interface WasmFunction {
  readonly name: string;
  readonly registers: Registers;
  readonly result?: ValueType;
  readonly body: Code;
}

/** The most pages (64 KiB) a memory can have. */
const MAX_PAGES = 65536;

/** Zeros, of at least so many bytes; shared, so that files can be read into it and other threads see it. */
export function sharedMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / 65536);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const bytes = (content: Code): Code => [...unsigned(content.length), ...content];
const text = (value: string): Code => bytes([...Buffer.from(value)]);
const types = (list: readonly ValueType[]): Code => vector(list.map((type) => [TYPE_CODES[type]]));

/**
 * A module that exports the functions and works on the memory that it imports as `env.memory`: a shared one, or one of
 * another module, which is not shared and may grow.
 */
export function assemble(
  functions: readonly WasmFunction[],
  kind: 'shared' | 'unshared' = 'shared',
): WebAssembly.Module {
  const section = (id: number, content: Code): Code => [id, ...bytes(content)];
  const sharedWithMaximum = 0x03;
  const limits = kind === 'shared' ? [sharedWithMaximum, 0, ...unsigned(MAX_PAGES)] : [0, 0];
  return new WebAssembly.Module(
    Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(
        1,
        vector(
          functions.map(({ registers, result }) => [
            0x60,
            ...types(registers.parameters),
            ...types(result === undefined ? [] : [result]),
          ]),
        ),
      ),
      ...section(2, vector([[...text('env'), ...text('memory'), 0x02, ...limits]])),
      ...section(3, vector(functions.map((_, index) => unsigned(index)))),
      ...section(7, vector(functions.map(({ name }, index) => [...text(name), 0x00, ...unsigned(index)]))),
      ...section(
        10,
        vector(
          functions.map(({ registers: { locals, prologue }, body }) =>
            bytes([...vector(locals.map((type) => [1, TYPE_CODES[type]])), ...prologue, ...body, 0x0b]),
          ),
        ),
      ),
    ]),
  );
}
