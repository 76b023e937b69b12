/** A checkpoint stack whose rows are rounded, or not in memory at all. */
import type { CentredGram } from '../../core/averaging/types.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { throwIfAborted } from '../../core/errors.ts';
import { BlockRoom, CheckpointFiles, FileRows } from './kept-rows.ts';
import type { RoundedTensor, RowTensor } from './rows.ts';
import { allocateRounded, roundedRowLoops, roundInto, simdRowLoops } from './simd-rows.ts';
import { elementsOf, gramOfProducts, type LoadHooks, type Stack } from './stack.ts';

export type KeptMode = 'bf16' | 'int8' | 'files';

interface KeptTensor {
  readonly files: FileRows;
  /** Block after block, what training steps use; undefined: the files. */
  readonly rounded: readonly RoundedTensor[] | undefined;
}

export class KeptStack implements Stack {
  readonly checkpoints: readonly string[];
  readonly lossy: boolean;
  readonly #tensors: ReadonlyMap<string, KeptTensor>;
  readonly #files: CheckpointFiles;
  readonly #room: BlockRoom;

  private constructor(
    files: CheckpointFiles,
    tensors: ReadonlyMap<string, KeptTensor>,
    room: BlockRoom,
    lossy: boolean,
  ) {
    this.checkpoints = files.headers.map(({ path }) => path);
    this.#files = files;
    this.#tensors = tensors;
    this.#room = room;
    this.lossy = lossy;
  }

  /** Architectures must have been compared before. */
  static async open(
    headers: readonly CheckpointHeader[],
    names: readonly string[],
    mode: KeptMode,
    { signal, onProgress }: LoadHooks = {},
  ): Promise<KeptStack> {
    const n = headers.length;
    const infos = names.map((name) => headers[0]!.tensors.find((tensor) => tensor.name === name)!);
    const room = new BlockRoom(n, Math.max(1, ...infos.map(elementsOf)));
    const files = await CheckpointFiles.open(headers);
    try {
      const tensors = new Map<string, KeptTensor>();
      const blocks = infos.map((info) => blockSizes(elementsOf(info), room.elements));
      const rounded = mode === 'files' ? [] : allocateRounded(n, blocks.flat(), mode);
      for (const [t, { name }] of infos.entries()) {
        throwIfAborted(signal);
        onProgress?.(t / infos.length, name);
        const rows = new FileRows(files, name, room);
        const own = mode === 'files' ? undefined : rounded.splice(0, blocks[t]!.length);
        if (own !== undefined) {
          await forEachBlock(rows, room, (block, b) => roundInto(own[b]!, block), signal);
        }
        tensors.set(name, { files: rows, rounded: own });
      }
      return new KeptStack(files, tensors, room, mode !== 'files');
    } catch (error) {
      await files.close();
      throw error;
    }
  }

  get n(): number {
    return this.checkpoints.length;
  }

  get bytes(): number {
    let bytes = this.#room.bytes;
    for (const { rounded = [] } of this.#tensors.values()) {
      for (const { mean, rows } of rounded) {
        for (const { byteLength } of [mean, ...rows]) bytes += byteLength;
      }
    }
    return bytes;
  }

  async combine(name: string, coefficients: Float64Array, out: Float32Array, exact = false): Promise<void> {
    const { files, rounded } = this.#tensor(name);
    const part = blockOf(out, this.#room);
    if (rounded === undefined || exact) {
      await forEachBlock(files, this.#room, (block, b) => simdRowLoops.combine(block, coefficients, part(b)));
    } else {
      for (const [b, block] of rounded.entries()) roundedRowLoops.combine(block, coefficients, part(b));
    }
  }

  async project(name: string, gradient: Float32Array, into: Float64Array): Promise<void> {
    const { files, rounded } = this.#tensor(name);
    const part = blockOf(gradient, this.#room);
    if (rounded === undefined) {
      await forEachBlock(files, this.#room, (block, b) => simdRowLoops.project(block, part(b), into));
    } else {
      for (const [b, block] of rounded.entries()) roundedRowLoops.project(block, part(b), into);
    }
  }

  async gram(names: readonly string[], signal?: AbortSignal): Promise<CentredGram> {
    const upper = new Float64Array((this.n + 1) ** 2);
    for (const name of names) {
      const { files } = this.#tensor(name);
      await forEachBlock(files, this.#room, (block) => simdRowLoops.products(block, upper), signal);
    }
    return gramOfProducts(upper, this.n);
  }

  close(): Promise<void> {
    return this.#files.close();
  }

  #tensor(name: string): KeptTensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new Error(`The stack has no tensor ${name}.`);
    return tensor;
  }
}

function blockSizes(length: number, block: number): number[] {
  return Array.from({ length: Math.ceil(length / block) }, (_, b) => Math.min(block, length - b * block));
}

const blockOf =
  (values: Float32Array, { elements }: BlockRoom) =>
  (b: number): Float32Array =>
    values.subarray(b * elements, (b + 1) * elements);

async function forEachBlock(
  files: FileRows,
  { elements }: BlockRoom,
  work: (block: RowTensor, b: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  for (let b = 0; b * elements < files.length; b++) {
    throwIfAborted(signal);
    const start = b * elements;
    work(await files.block(start, Math.min(start + elements, files.length)), b);
  }
}
