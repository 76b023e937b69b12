/**
 * The n checkpoints in memory, centred: one mean and n rows R_i = w_i - mean per tensor, in float32. One copy:
 * (n + 1) x (number of float elements) x 4 bytes. Centring first keeps the differences exact to float32 even where
 * checkpoints differ by a millionth only.
 */
import { centredGram } from '../../core/averaging/gram.ts';
import { readParameter } from '../../core/checkpoints/merge.ts';
import { formatById } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader, TensorInfo } from '../../core/checkpoints/types.ts';
import type { CentredGram } from '../../core/averaging/types.ts';
import { throwIfAborted } from '../../core/errors.ts';
import { centreInto, nonFinite } from './kept-rows.ts';
import type { RowLoops, RowTensor } from './rows.ts';
import { allocateRows, simdRowLoops } from './simd-rows.ts';

export interface StackTensor extends RowTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface LoadHooks {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (fraction: number, message: string) => void;
}

/** The n checkpoints as an objective uses them, however they are kept. */
export interface Stack {
  /** Oldest first. */
  readonly checkpoints: readonly string[];
  readonly n: number;
  /** In memory. */
  readonly bytes: number;
  /** Whether training steps see rounded checkpoints. */
  readonly lossy: boolean;
  /** sum_i a_i w_i of one tensor into `out`; `exact`: of the checkpoints themselves, in any case. */
  combine(name: string, a: Float64Array, out: Float32Array, exact?: boolean): void | Promise<void>;
  /** into_i += <w_i, gradient> over one tensor. */
  project(name: string, gradient: Float32Array, into: Float64Array): void | Promise<void>;
  /** See Objective.gram; over the tensors named. */
  gram(names: readonly string[], signal?: AbortSignal): Promise<CentredGram>;
  close(): Promise<void>;
}

export class CheckpointStack implements Stack {
  readonly lossy = false;
  /** Oldest first. */
  readonly checkpoints: readonly string[];
  readonly #tensors: ReadonlyMap<string, StackTensor>;
  readonly #loops: RowLoops;

  constructor(
    checkpoints: readonly string[],
    tensors: readonly StackTensor[],
    loops: RowLoops = simdRowLoops,
  ) {
    this.checkpoints = checkpoints;
    this.#tensors = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    this.#loops = loops;
  }

  get n(): number {
    return this.checkpoints.length;
  }

  /** Of the mean and the rows together. */
  get bytes(): number {
    let elements = 0;
    for (const { mean } of this.#tensors.values()) elements += mean.length;
    return (this.n + 1) * 4 * elements;
  }

  /** sum_i a_i w_i of one tensor into `out`. */
  combine(name: string, coefficients: Float64Array, out: Float32Array): void {
    this.#loops.combine(this.#tensor(name), coefficients, out);
  }

  /** into_i += <w_i, gradient> over one tensor. */
  project(name: string, gradient: Float32Array, into: Float64Array): void {
    this.#loops.project(this.#tensor(name), gradient, into);
  }

  /** See Objective.gram; over the tensors named. */
  async gram(names: readonly string[], signal?: AbortSignal): Promise<CentredGram> {
    const { n } = this;
    const upper = new Float64Array((n + 1) ** 2);
    for (const name of names) {
      throwIfAborted(signal);
      this.#loops.products(this.#tensor(name), upper);
      await new Promise(setImmediate);
    }
    return gramOfProducts(upper, n);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #tensor(name: string): StackTensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new Error(`The stack has no tensor ${name}.`);
    return tensor;
  }
}

/** The upper triangle of products as {@link RowLoops.products} adds them up, the mean last, as a centred Gram matrix. */
export function gramOfProducts(upper: Float64Array, n: number): CentredGram {
  return centredGram(n, (i, h) => upper[Math.min(i, h) * (n + 1) + Math.max(i, h)]!);
}

/**
 * Reads the tensors named from every checkpoint. Architectures must have been compared before.
 * @throws TwaError `non-finite` naming file, tensor and index. Whether there is memory enough: see `open-stack.ts`.
 */
export async function loadStack(
  headers: readonly CheckpointHeader[],
  names: readonly string[],
  { signal, onProgress }: LoadHooks = {},
): Promise<CheckpointStack> {
  const tensors = names.map((name) => headers[0]!.tensors.find((tensor) => tensor.name === name)!);
  const n = headers.length;
  const rows = allocateRows(n, tensors.map(elementsOf));
  for (const [i, header] of headers.entries()) {
    throwIfAborted(signal);
    onProgress?.(i / n, `checkpoint ${i + 1} of ${n}`);
    const reader = await formatById(header.format).open(header);
    try {
      for (const [t, { name }] of tensors.entries()) {
        throwIfAborted(signal);
        const tensor = header.tensors.find((candidate) => candidate.name === name)!;
        const values = await readParameter(reader, tensor);
        requireFinite(values, tensor, header);
        rows[t]!.rows[i]!.set(values);
      }
    } finally {
      await reader.close();
    }
  }
  return new CheckpointStack(
    headers.map((header) => header.path),
    tensors.map(({ name, shape }, t) => {
      const { mean, rows: centred } = rows[t]!;
      mean.set(centre(centred));
      return { name, shape, mean, rows: centred };
    }),
  );
}

/** Subtracts their mean from the rows in place, and gives it. */
export function centre(rows: readonly Float32Array[]): Float32Array {
  const mean = new Float32Array(rows[0]!.length);
  centreInto({ mean, rows });
  return mean;
}

export function elementsOf({ shape }: TensorInfo): number {
  return shape.reduce((product, length) => product * length, 1);
}

function requireFinite(
  values: Float32Array | Float64Array,
  tensor: TensorInfo,
  header: CheckpointHeader,
): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw nonFinite(values[at]!, tensor, at, header);
}
