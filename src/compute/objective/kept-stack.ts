/** A checkpoint stack that is rounded or not in memory at all: see `kept-rows.ts`. */
import type { CentredGram } from '../../core/averaging/types.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { throwIfAborted } from '../../core/errors.ts';
import { BlockRoom, Bf16Rows, CheckpointFiles, FileRows, Int8Rows, type KeptRows } from './kept-rows.ts';
import type { RowLoops, RowTensor } from './rows.ts';
import { simdRowLoops } from './simd-rows.ts';
import { elementsOf, gramOfProducts, type LoadHooks, type Stack } from './stack.ts';

export type KeptMode = 'bf16' | 'int8' | 'files';

interface KeptTensor {
  /** What training steps use. */
  readonly rows: KeptRows;
  /** The files. */
  readonly exact: KeptRows;
}

export class KeptStack implements Stack {
  readonly checkpoints: readonly string[];
  readonly lossy: boolean;
  readonly #tensors: ReadonlyMap<string, KeptTensor>;
  readonly #files: CheckpointFiles;
  readonly #room: BlockRoom;
  readonly #loops: RowLoops = simdRowLoops;

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
      for (const [t, info] of infos.entries()) {
        throwIfAborted(signal);
        onProgress?.(t / infos.length, info.name);
        const exact = new FileRows(files, info.name, room);
        if (mode === 'files') {
          tensors.set(info.name, { rows: exact, exact });
          continue;
        }
        const rows = new (mode === 'bf16' ? Bf16Rows : Int8Rows)(n, exact.length, room);
        await forEachBlock(exact, room.elements, (block, start) => rows.write(start, block), signal);
        tensors.set(info.name, { rows, exact });
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
    for (const { rows } of this.#tensors.values()) bytes += rows.bytes;
    return bytes;
  }

  async combine(name: string, coefficients: Float64Array, out: Float32Array, exact = false): Promise<void> {
    const { rows, exact: files } = this.#tensor(name);
    await forEachBlock(exact ? files : rows, this.#room.elements, (block, start) => {
      this.#loops.combine(block, coefficients, out.subarray(start, start + block.mean.length));
    });
  }

  async project(name: string, gradient: Float32Array, into: Float64Array): Promise<void> {
    await forEachBlock(this.#tensor(name).rows, this.#room.elements, (block, start) => {
      this.#loops.project(block, gradient.subarray(start, start + block.mean.length), into);
    });
  }

  async gram(names: readonly string[], signal?: AbortSignal): Promise<CentredGram> {
    const upper = new Float64Array((this.n + 1) ** 2);
    for (const name of names) {
      await forEachBlock(
        this.#tensor(name).exact,
        this.#room.elements,
        (block) => this.#loops.products(block, upper),
        signal,
      );
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

async function forEachBlock(
  rows: KeptRows,
  elements: number,
  work: (block: RowTensor, start: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  for (let start = 0; start < rows.length; start += elements) {
    throwIfAborted(signal);
    work(await rows.block(start, Math.min(start + elements, rows.length)), start);
  }
}
