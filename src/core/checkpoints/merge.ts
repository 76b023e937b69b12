/**
 * Mixing checkpoints: w = sum_i a_i w_i, from the original files, accumulated in float64 and rounded once.
 *
 * Memory: two chunks of every source and two of the output, {@link BUFFER_BYTES} in all (or {@link MIN_CHUNK_ELEMENTS}
 * elements per chunk where more sources would leave less), plus the headers; whatever the size of the model. Time: every
 * source byte is read once, straight into the memory where the SIMD loops mix it and other threads hash it.
 */
import { mkdir, rmdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

import { throwIfAborted, TwaError } from '../errors.ts';
import type { SourceRecord } from '../averaging/types.ts';
import { sharedMemory } from '../kernels/assembler.ts';
import { isMixDType, MIX_LANES, mixLoops, TABLE_ENTRY } from '../kernels/mix.ts';
import { requireSameArchitecture } from './compare.ts';
import type { DigestRecords, RememberedDigest } from './digests.ts';
import {
  addScaled,
  bytesPerElement,
  decodeToFloat32,
  decodeToFloat64,
  elementCount,
  encodeFromFloat64,
  firstUnrepresentable,
  floatComponents,
} from './dtype.ts';
import { changed, requireUnchanged } from './files.ts';
import { PARTIAL_SUFFIX, requireAbsent, requireSpace, writeError } from './publish.ts';
import { formatById } from './registry.ts';
import type { CheckpointHeader, ChunkSource, FloatDType, TensorInfo, TensorReader } from './types.ts';

export interface MergeRequest {
  /** Complete checkpoints, oldest first. The last one gives structure, metadata, integers and booleans. */
  readonly headers: readonly CheckpointHeader[];
  /** One per checkpoint; any finite numbers. */
  readonly coefficients: readonly number[];
  /** Where tensors have coefficients of their own, by the tensor's name. */
  readonly ownCoefficients?: ReadonlyMap<string, readonly number[]>;
  /** The checkpoint to make; must not exist. Its directory is made when it does not. */
  readonly output: string;
  /** Where it grows: beside `output`, named `*.partial` (see `partialPathFor`); must not exist. */
  readonly partial: string;
  /** Float tensors that are replaced by these values instead of mixed: recalibrated running statistics. */
  readonly buffers?: ReadonlyMap<string, Float32Array | Float64Array>;
  /** Leaves the state of the optimizer out of the copy; without, it is that of the newest checkpoint. */
  readonly dropOptimizer?: boolean;
  /** Digests of unchanged sources are taken from here and new ones put in; without, every source is hashed. */
  readonly digests?: DigestRecords;
  readonly signal?: AbortSignal;
  /** 0..1, of the bytes. */
  readonly onProgress?: (fraction: number) => void;
}

export interface MergeResult {
  /** Hex; of the file, or of its files one after another in header order. */
  readonly outputSha256: string;
  /** As `headers`. */
  readonly sources: readonly SourceRecord[];
}

const BUFFER_BYTES = 64 << 20;
const MAX_CHUNK_ELEMENTS = 1 << 18;
const MIN_CHUNK_ELEMENTS = 1 << 14;

/**
 * Writes the mix beside its place and moves it there when it is whole. Nothing remains after a failure or abort, and
 * no source is ever written to.
 * @throws TwaError `mismatch`; `exists` for the output; `no-space`; `non-finite` naming file, tensor and index of a
 * NaN or infinity, or the tensor of a mix too large for its type; `incomplete-checkpoint` or `not-found` for a source
 * that changed or vanished meanwhile; `cancelled`; `usage` for a request that makes no sense.
 */
export async function mergeCheckpoints(request: MergeRequest): Promise<MergeResult> {
  const { headers, output, partial, signal } = request;
  throwIfAborted(signal);
  requireSameArchitecture(headers);
  const template = headers.at(-1)!;
  requireSensible(request, template);
  await requireAbsent(output);

  const directory = dirname(output);
  const made = await makeDirectory(directory);
  const mixer = new Mixer(request, template);
  try {
    await requireSpace(directory, totalSize(template));
    await mixer.open();
    let sources: readonly SourceRecord[] = [];
    const outputSha256 = await formatById(template.format).write(template, mixer.chunk, {
      output,
      partial,
      chunkElements: mixer.chunkElements,
      ...(request.dropOptimizer === undefined ? {} : { dropOptimizer: request.dropOptimizer }),
      ...(signal === undefined ? {} : { signal }),
      async beforeFinish() {
        sources = await mixer.sources();
        for (const header of headers) await requireUnchanged(header.files);
        await mixer.settleDigests();
      },
    });
    request.onProgress?.(1);
    return { outputSha256, sources };
  } catch (error) {
    if (made !== undefined) await removeEmpty(directory, made);
    throw error;
  } finally {
    await mixer.close();
  }
}

/**
 * A whole tensor as numbers, read chunk by chunk: float64 for F64 and integers (beyond 2^53 rounded), else float32,
 * which holds every smaller float exactly.
 * @throws TwaError `unsupported` for complex tensors.
 */
export async function readParameter(
  reader: TensorReader,
  tensor: TensorInfo,
): Promise<Float32Array | Float64Array> {
  const count = elementCount(tensor.shape)!;
  const components = floatComponents(tensor.dtype);
  const narrow = components !== undefined && components.dtype !== 'F64';
  const out = narrow ? new Float32Array(count) : new Float64Array(count);
  const stored = tensor.aliasOf === undefined ? tensor : { ...tensor, name: tensor.aliasOf };
  for (let start = 0; start < count; start += MAX_CHUNK_ELEMENTS) {
    const length = Math.min(MAX_CHUNK_ELEMENTS, count - start);
    const bytes = await reader.read(stored, start, length);
    const into = out.subarray(start, start + length);
    if (into instanceof Float32Array) decodeToFloat32(bytes, tensor.dtype, into);
    else decodeToFloat64(bytes, tensor.dtype, into);
  }
  return out;
}

class Mixer {
  readonly chunkElements: number;
  readonly #request: MergeRequest;
  readonly #totalElements: number;
  readonly #memory: ReturnType<typeof layOut>;
  readonly #readers: TensorReader[] = [];
  /** What is known of every source before it is read: see {@link DigestRecords}. */
  readonly #known: { readonly state: string | undefined; readonly digest: RememberedDigest | undefined }[] =
    [];
  #records: readonly SourceRecord[] = [];
  #outputs = 0;
  #mixes = 0;
  #doneElements = 0;

  constructor(request: MergeRequest, template: CheckpointHeader) {
    this.#request = request;
    const tensors = template.tensors.filter((tensor) => tensor.aliasOf === undefined);
    const counts = tensors.map((tensor) => elementCount(tensor.shape)!);
    const largest = counts.reduce((most, count) => Math.max(most, count), 1);
    const widest = tensors.reduce((most, tensor) => Math.max(most, bytesPerElement(tensor.dtype)), 1);
    const affordable = Math.floor(BUFFER_BYTES / (widest * (2 * request.headers.length + 2)));
    const bounded = Math.min(MAX_CHUNK_ELEMENTS, Math.max(MIN_CHUNK_ELEMENTS, affordable));
    this.chunkElements = Math.min(bounded, largest);
    this.#totalElements = counts.reduce((sum, count) => sum + count, 0);
    this.#memory = layOut(this.chunkElements * widest, request.headers.length);
  }

  async open(): Promise<void> {
    const { headers, digests } = this.#request;
    for (const header of headers) {
      const state = await digests?.stateOf(header.files).catch(() => undefined);
      const digest = state === undefined ? undefined : await digests!.find(state);
      this.#known.push({ state, digest });
      // Checksums inside the files are verified together with the digest, and need not be while it holds.
      this.#readers.push(await formatById(header.format).open(header, { hash: digest === undefined }));
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.close()));
  }

  async sources(): Promise<readonly SourceRecord[]> {
    const { headers, signal } = this.#request;
    const records: SourceRecord[] = [];
    for (const [i, header] of headers.entries()) {
      const { digest } = this.#known[i]!;
      records.push({
        path: header.path,
        size: totalSize(header),
        sha256: digest?.sha256 ?? (await this.#readers[i]!.sha256(signal)),
        ...(digest === undefined ? {} : { sha256ComputedAt: digest.computedAt }),
        ...(header.step === undefined ? {} : { step: header.step }),
        ...(header.epoch === undefined ? {} : { epoch: header.epoch }),
      });
    }
    this.#records = records;
    return records;
  }

  /** Digests hold for sources that are still in the state in which they were before they were read. */
  async settleDigests(): Promise<void> {
    const { headers, digests } = this.#request;
    const computed = new Map<string, RememberedDigest>();
    for (const [i, { state, digest }] of this.#known.entries()) {
      if (state === undefined) continue;
      const { files, path } = headers[i]!;
      const same = (await digests!.stateOf(files)) === state;
      if (digest !== undefined && !same) throw changed(path);
      if (digest === undefined && same) {
        computed.set(state, { sha256: this.#records[i]!.sha256, computedAt: new Date().toISOString() });
      }
    }
    await digests?.remember(computed);
  }

  readonly chunk: ChunkSource = async (tensor, start, count) => {
    throwIfAborted(this.#request.signal);
    // Two, in turn: one is being written and hashed while the next is filled.
    const { bytes } = this.#memory.outputs[this.#outputs++ % 2]!;
    const out = bytes.subarray(0, count * bytesPerElement(tensor.dtype));
    const components = floatComponents(tensor.dtype);
    const replacement = this.#request.buffers?.get(tensor.name);
    if (components === undefined) {
      out.set(await this.#readers.at(-1)!.read(tensor, start, count));
    } else if (replacement === undefined) {
      await this.#mix(tensor, components.dtype, start, count, out);
    } else {
      const values = Float64Array.from(replacement.subarray(start, start + count));
      await this.#round(values, tensor, components.dtype, start, out);
    }
    this.#doneElements += count;
    this.#request.onProgress?.(this.#doneElements / this.#totalElements);
    return out;
  };

  /** All sources are read at once, each in turn into one of two places: in the other its last chunk is hashed. */
  async #mix(
    tensor: TensorInfo,
    dtype: FloatDType,
    start: number,
    count: number,
    out: Uint8Array,
  ): Promise<void> {
    const { view, loops, sources } = this.#memory;
    const side = this.#mixes++ % 2;
    const reads = this.#readers.map(async (reader, i) => {
      const place = sources[i]![side]!;
      const into = place.bytes.subarray(0, out.length);
      const bytes = await reader.read(tensor, start, count, into);
      if (bytes !== into) into.set(bytes);
      // The loops take several elements at a time; what follows the last one must not look too large.
      place.bytes.fill(0, out.length, out.length + MIX_LANES * bytesPerElement(dtype));
      view.setUint32(i * TABLE_ENTRY + Float64Array.BYTES_PER_ELEMENT, place.at, true);
    });
    // After a failure no read may still be under way when the files are closed.
    await Promise.allSettled(reads);
    await Promise.all(reads);

    const coefficients = this.#coefficientsOf(tensor);
    for (const [i, coefficient] of coefficients.entries()) {
      view.setFloat64(i * TABLE_ENTRY, coefficient, true);
    }
    if (isMixDType(dtype)) {
      const step = MIX_LANES * bytesPerElement(dtype);
      const length = Math.ceil(out.length / step) * step;
      const tableEnd = this.#readers.length * TABLE_ENTRY;
      if (loops[dtype](0, tableEnd, length, out.byteOffset) === 1) return;
    }
    // 8-bit floats, and to find the number that cannot be written.
    const sum = new Float64Array(out.length / bytesPerElement(dtype));
    for (const [i, places] of sources.entries()) {
      addScaled(sum, places[side]!.bytes.subarray(0, out.length), dtype, coefficients[i]!);
    }
    await this.#round(sum, tensor, dtype, start, out);
  }

  #coefficientsOf({ name }: TensorInfo): readonly number[] {
    const { coefficients, ownCoefficients } = this.#request;
    return ownCoefficients?.get(name) ?? coefficients;
  }

  async #round(
    values: Float64Array,
    tensor: TensorInfo,
    dtype: FloatDType,
    start: number,
    out: Uint8Array,
  ): Promise<void> {
    const bad = firstUnrepresentable(values, dtype);
    if (bad !== -1) {
      const { perElement } = floatComponents(tensor.dtype)!;
      throw await this.#explain(tensor, start + Math.floor(bad / perElement), values[bad]!);
    }
    encodeFromFloat64(values, dtype, out);
  }

  /** Whose fault a number is that the type cannot hold: looked up only now, so that mixing stays fast. */
  async #explain(tensor: TensorInfo, index: number, value: number): Promise<TwaError> {
    const where = `${tensor.name}[${coordinates(index, tensor.shape).join(', ')}]`;
    if (this.#request.buffers?.has(tensor.name) === true) {
      return new TwaError(
        'non-finite',
        `The recalibrated ${where} is ${value}, which ${tensor.dtype} cannot hold.`,
      );
    }
    const { dtype, perElement } = floatComponents(tensor.dtype)!;
    const culprits: { readonly path: string; readonly sentence: string }[] = [];
    for (const [i, reader] of this.#readers.entries()) {
      const numbers = new Float64Array(perElement);
      decodeToFloat64(await reader.read(tensor, index, 1), dtype, numbers);
      const bad = numbers.find((number) => !Number.isFinite(number));
      const { path } = this.#request.headers[i]!;
      if (bad !== undefined) culprits.push({ path, sentence: `${basename(path)} has ${bad} in ${where}.` });
    }
    const first = culprits[0];
    if (first === undefined) {
      return new TwaError(
        'non-finite',
        `The mix has ${value} in ${where}, more than ${tensor.dtype} can hold; use smaller coefficients.`,
      );
    }
    return new TwaError('non-finite', `${first.sentence.slice(0, -1)}; leave that checkpoint out.`, {
      place: { path: first.path },
      details: culprits.map((culprit) => culprit.sentence),
    });
  }
}

/** The memory that the SIMD loops see: the table of coefficients, then the places of all chunks. */
function layOut(chunkBytes: number, count: number) {
  // The loops take several elements at a time, and may run over by that.
  const step = Math.ceil((chunkBytes + MIX_LANES * Float64Array.BYTES_PER_ELEMENT) / 64) * 64;
  const first = Math.ceil((count * TABLE_ENTRY) / 64) * 64;
  const memory = sharedMemory(first + (2 * count + 2) * step);
  const place = (index: number) => {
    const at = first + index * step;
    return { at, bytes: new Uint8Array(memory.buffer, at, step) };
  };
  const view = new DataView(memory.buffer);
  return {
    view,
    loops: mixLoops(memory),
    outputs: [place(0), place(1)] as const,
    sources: Array.from({ length: count }, (_, i) => [place(2 * i + 2), place(2 * i + 3)] as const),
  };
}

function requireSensible(
  { coefficients, ownCoefficients = new Map(), headers, buffers, partial, output }: MergeRequest,
  template: CheckpointHeader,
): void {
  for (const given of [coefficients, ...ownCoefficients.values()]) {
    if (given.length !== headers.length) {
      throw new TwaError(
        'usage',
        `${headers.length} checkpoints need as many coefficients, not ${given.length}.`,
      );
    }
    const bad = given.find((coefficient) => !Number.isFinite(coefficient));
    if (bad !== undefined)
      throw new TwaError('usage', `A coefficient is ${bad}; all must be finite numbers.`);
  }
  if (!partial.endsWith(PARTIAL_SUFFIX) || dirname(partial) !== dirname(output)) {
    throw new TwaError('usage', `${partial} must end in ${PARTIAL_SUFFIX} and lie beside ${output}.`);
  }
  const tensors = new Map(template.tensors.map((tensor) => [tensor.name, tensor]));
  for (const name of ownCoefficients.keys()) {
    if (tensors.has(name)) continue;
    throw new TwaError('mismatch', `${basename(template.path)} has no tensor ${name} to mix by itself.`);
  }
  for (const [name, values] of buffers ?? []) {
    const tensor = tensors.get(name);
    if (tensor === undefined || tensor.aliasOf !== undefined) {
      throw new TwaError(
        'mismatch',
        `${basename(template.path)} has no tensor ${name} to put new values in.`,
      );
    }
    if (floatComponents(tensor.dtype)?.perElement !== 1 || elementCount(tensor.shape) !== values.length) {
      throw new TwaError(
        'mismatch',
        `${name} is ${tensor.dtype} [${tensor.shape.join(', ')}]; ${values.length} new float values do not fit it.`,
      );
    }
  }
}

function coordinates(index: number, shape: readonly number[]): number[] {
  const found: number[] = [];
  for (const dimension of shape.toReversed()) {
    found.unshift(index % dimension);
    index = Math.floor(index / dimension);
  }
  return found;
}

function totalSize(header: CheckpointHeader): number {
  return header.files.reduce((sum, file) => sum + file.size, 0);
}

/** Gives the first directory that had to be made. */
async function makeDirectory(directory: string): Promise<string | undefined> {
  try {
    return await mkdir(directory, { recursive: true });
  } catch (error) {
    throw writeError(error, directory);
  }
}

/** Takes back what {@link makeDirectory} made, as far as nobody has put anything there since. */
async function removeEmpty(directory: string, made: string): Promise<void> {
  try {
    for (let current = directory; current.length >= made.length; current = dirname(current))
      await rmdir(current);
  } catch {
    // Somebody uses it by now.
  }
}
