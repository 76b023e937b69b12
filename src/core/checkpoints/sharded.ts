/**
 * Checkpoints that hold a tensor in several pieces, each a box of it: what every rank of a distributed training saved.
 * Users see whole tensors; the files hold the pieces.
 */
import { bytesPerElement, elementCount } from './dtype.ts';
import { requireUnchanged, changed } from './files.ts';
import { cannotDrop, FlatReader, writeCopy, type Layout, type LayoutResult } from './flat.ts';
import { rowMajorStrides } from './strided.ts';
import type {
  CheckpointFormat,
  CheckpointHeader,
  ChunkSource,
  Inspection,
  TensorInfo,
  TensorReader,
} from './types.ts';

/** A box of a tensor. */
export interface Piece {
  /** As the files have it, by a name of its own. */
  readonly tensor: TensorInfo;
  /** Where its first element lies in the whole. */
  readonly offsets: readonly number[];
}

export interface ShardedLayout {
  /** Of the whole tensors: what users see. */
  readonly header: CheckpointHeader;
  /** By the name of the whole tensor; together they cover it. */
  readonly pieces: ReadonlyMap<string, readonly Piece[]>;
  /** Where the pieces are; its header is that of the files. */
  readonly layout: Layout;
}

export type ShardedResult =
  | { readonly state: 'complete'; readonly sharded: ShardedLayout }
  | Exclude<LayoutResult, { readonly state: 'complete' }>;

interface ShardedFormat extends Pick<
  CheckpointFormat,
  'id' | 'label' | 'candidate' | 'outputName' | 'holds'
> {
  /** Reads headers only; the result is checked through and through. */
  readonly read: (path: string, signal?: AbortSignal) => Promise<ShardedResult>;
}

/** A format of directories. */
export function shardedFormat({ read, ...format }: ShardedFormat): CheckpointFormat {
  const again = async (header: CheckpointHeader): Promise<ShardedLayout> => {
    const result = await read(header.path);
    await requireUnchanged(header.files);
    if (result.state !== 'complete') throw changed(header.path);
    return result.sharded;
  };
  return {
    ...format,
    async inspect(path, signal): Promise<Inspection> {
      const result = await read(path, signal);
      return result.state === 'complete'
        ? { state: 'complete', header: result.sharded.header }
        : { ...result, path, format: format.id };
    },
    async open(header, options): Promise<TensorReader> {
      const sharded = await again(header);
      return new WholeReader(sharded, new FlatReader(sharded.layout, options?.hash === true));
    },
    requireDroppable: (header) =>
      (header.optimizer?.length ?? 0) > 0
        ? Promise.reject(cannotDrop(header, format.label))
        : Promise.resolve(),
    async write(template, chunks, options) {
      if (options.dropOptimizer === true && (template.optimizer?.length ?? 0) > 0) {
        throw cannotDrop(template, format.label);
      }
      const sharded = await again(template);
      return writeCopy('directory', sharded.layout, piecewise(sharded, chunks), options);
    },
  };
}

/** Whether boxes cover a tensor, each element once. */
export function covers(shape: readonly number[], pieces: readonly Piece[]): boolean {
  let elements = 0;
  for (const [i, { tensor, offsets }] of pieces.entries()) {
    const sizes = tensor.shape;
    if (sizes.length !== shape.length || offsets.length !== shape.length) return false;
    if (!sizes.every((size, d) => offsets[d]! + size <= shape[d]!)) return false;
    elements += elementCount(sizes)!;
    if (pieces.slice(0, i).some((other) => overlap(other, { tensor, offsets }))) return false;
  }
  return elements === elementCount(shape);
}

function overlap(a: Piece, b: Piece): boolean {
  return a.offsets.every((start, d) => {
    const [from, to] = [
      Math.max(start, b.offsets[d]!),
      Math.min(start + a.tensor.shape[d]!, b.offsets[d]! + b.tensor.shape[d]!),
    ];
    return from < to;
  });
}

/** The elements of a piece as runs that lie together in the whole, all of one length, in the order of both. */
class Runs {
  readonly count: number;
  readonly length: number;
  readonly #sizes: readonly number[];
  readonly #strides: readonly number[];
  readonly #first: number;

  constructor(shape: readonly number[], { tensor, offsets }: Piece) {
    const strides = rowMajorStrides(shape);
    let last = shape.length - 1;
    while (last > 0 && tensor.shape[last] === shape[last]) last--;
    this.#sizes = tensor.shape.slice(0, Math.max(0, last));
    this.#strides = strides;
    this.count = elementCount(this.#sizes)!;
    this.length = shape.length === 0 ? 1 : tensor.shape[last]! * strides[last]!;
    this.#first = offsets.reduce((sum, offset, d) => sum + offset * strides[d]!, 0);
  }

  /** Where a run begins in the whole. */
  start(run: number): number {
    let at = this.#first;
    for (let d = this.#sizes.length - 1; d >= 0; d--) {
      at += (run % this.#sizes[d]!) * this.#strides[d]!;
      run = Math.floor(run / this.#sizes[d]!);
    }
    return at;
  }

  /** The first run that ends behind a place in the whole. */
  firstBehind(place: number): number {
    let low = 0;
    for (let high = this.count; low < high;) {
      const middle = (low + high) >>> 1;
      if (this.start(middle) + this.length <= place) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

class WholeReader implements TensorReader {
  readonly #pieces: ReadonlyMap<string, readonly { readonly tensor: TensorInfo; readonly runs: Runs }[]>;
  readonly #reader: FlatReader;
  #buffer = new Uint8Array(0);

  constructor({ header, pieces }: ShardedLayout, reader: FlatReader) {
    this.#reader = reader;
    this.#pieces = new Map(
      header.tensors.map(({ name, shape }) => [
        name,
        (pieces.get(name) ?? []).map((piece) => ({ tensor: piece.tensor, runs: new Runs(shape, piece) })),
      ]),
    );
  }

  async read(whole: TensorInfo, start: number, count: number, into?: Uint8Array): Promise<Uint8Array> {
    const pieces = this.#pieces.get(whole.name);
    const total = elementCount(whole.shape);
    if (pieces === undefined || total === undefined || start < 0 || start + count > total) {
      throw new RangeError(`Elements ${start} to ${start + count} of ${whole.name}.`);
    }
    const size = bytesPerElement(whole.dtype);
    if (into === undefined && this.#buffer.length < count * size) this.#buffer = new Uint8Array(count * size);
    const bytes = into ?? this.#buffer.subarray(0, count * size);
    const end = start + count;
    for (const { tensor, runs } of pieces) {
      for (let run = runs.firstBehind(start); run < runs.count && runs.start(run) < end; run++) {
        const at = runs.start(run);
        const [from, to] = [Math.max(start, at), Math.min(end, at + runs.length)];
        const place = bytes.subarray((from - start) * size, (to - start) * size);
        await this.#reader.read(tensor, run * runs.length + from - at, to - from, place);
      }
    }
    return bytes;
  }

  sha256(signal?: AbortSignal): Promise<string> {
    return this.#reader.sha256(signal);
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}

/** New bytes for pieces, from a source of those of whole tensors. */
function piecewise({ header, pieces }: ShardedLayout, chunks: ChunkSource): ChunkSource {
  const places = new Map<string, { readonly whole: TensorInfo; readonly runs: Runs }>();
  for (const whole of header.tensors) {
    for (const piece of pieces.get(whole.name) ?? []) {
      places.set(piece.tensor.name, { whole, runs: new Runs(whole.shape, piece) });
    }
  }
  let calls = 0;
  const buffers = [new Uint8Array(0), new Uint8Array(0)];
  return async (tensor, start, count) => {
    const { whole, runs } = places.get(tensor.name)!;
    const inFirst = start % runs.length;
    const first = Math.floor(start / runs.length);
    if (inFirst + count <= runs.length) return chunks(whole, runs.start(first) + inFirst, count);
    // Two, in turn: one is still being written while the next is filled.
    const side = calls++ % 2;
    const size = bytesPerElement(whole.dtype);
    if (buffers[side]!.length < count * size) buffers[side] = new Uint8Array(count * size);
    const out = buffers[side]!.subarray(0, count * size);
    for (let done = 0, run = first; done < count; run++) {
      const from = run === first ? inFirst : 0;
      const length = Math.min(runs.length - from, count - done);
      out.set(await chunks(whole, runs.start(run) + from, length), done * size);
      done += length;
    }
    return out;
  };
}
