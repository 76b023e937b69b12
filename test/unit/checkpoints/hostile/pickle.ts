/** Pickles, opcode by opcode, with nothing checked: for files that no PyTorch writes. */

export type Piece = string | Uint8Array | readonly Piece[];

/** Text is latin-1: `\x80\x02`. */
export function bytes(...pieces: readonly Piece[]): Buffer {
  return Buffer.concat(
    pieces.map((piece) =>
      typeof piece === 'string'
        ? Buffer.from(piece, 'latin1')
        : piece instanceof Uint8Array
          ? piece
          : bytes(...piece),
    ),
  );
}

function little(value: bigint | number, size: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigInt64LE(BigInt.asIntN(64, BigInt(value)));
  return out.subarray(0, size);
}

export const u32 = (value: number): Buffer => little(value, 4);
export const u64 = (value: bigint | number): Buffer => little(value, 8);

/** BINUNICODE */
export const text = (value: string): Piece => ['X', u32(Buffer.byteLength(value)), Buffer.from(value)];
/** BININT, or LONG1 of eight bytes. */
export const int = (value: number | bigint): Piece =>
  typeof value === 'number' && value === (value | 0) ? ['J', u32(value)] : ['\x8a\x08', u64(value)];
export const tuple = (...items: readonly Piece[]): Piece => ['(', ...items, 't'];
export const list = (...items: readonly Piece[]): Piece => ['](', ...items, 'e'];
export const dict = (...items: readonly (readonly [Piece, Piece])[]): Piece => ['}(', ...items.flat(), 'u'];
export const global = (module: string, name: string): Piece => `c${module}\n${name}\n`;
export const call = (callable: Piece, ...args: readonly Piece[]): Piece => [callable, tuple(...args), 'R'];
export const pickle = (...pieces: readonly Piece[]): Buffer => bytes('\x80\x02', ...pieces, '.');

export interface Tensor {
  readonly key?: string;
  readonly type?: string;
  /** Of the storage, as the pickle says. */
  readonly elements?: number | bigint;
  readonly offset?: number | bigint;
  readonly size?: readonly (number | bigint)[];
  readonly stride?: readonly (number | bigint)[];
}

/** Two float32 in storage 0, unless said otherwise. */
export function tensor({
  key = '0',
  type = 'FloatStorage',
  elements = 2,
  offset = 0,
  size = [2],
  stride = [1],
}: Tensor = {}): Piece {
  const storage = [tuple(text('storage'), global('torch', type), text(key), text('cpu'), int(elements)), 'Q'];
  return call(
    global('torch._utils', '_rebuild_tensor_v2'),
    storage,
    int(offset),
    tuple(...size.map(int)),
    tuple(...stride.map(int)),
    '\x89',
    call(global('collections', 'OrderedDict')),
  );
}

/** A state_dict as it should be, and further entries. */
export const weights = (...more: readonly (readonly [Piece, Piece])[]): Piece =>
  dict([text('w'), tensor()], ...more);
