/**
 * `model.json` of a TensorFlow.js LayersModel: topology, and a manifest of weights whose bytes lie one after another,
 * without padding, in each group's files (shards) taken together.
 * Format as written by @tensorflow/tfjs-core 4.22, `io/types.ts` (`ModelJSON`, `WeightsManifestEntry`).
 */
import { bytesPerElement, elementCount } from '../dtype.ts';
import { isRecord } from '../json.ts';
import type { DType, TensorInfo } from '../types.ts';

/** Why a `model.json` cannot be read: half a sentence that follows its name. */
export class ManifestError extends Error {}

export interface Manifest {
  readonly groups: readonly Group[];
  /** Entries of `userDefinedMetadata` that are text, numbers or booleans, and who made the file. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Group {
  /** Relative to the directory, checked: they lead nowhere else. */
  readonly paths: readonly string[];
  /** The model's weights; those of an optimizer are left out (and so stay as they are in a copy). */
  readonly tensors: readonly TensorInfo[];
  /** Offset of every tensor from the group's first byte. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Names of the optimizer's weights. */
  readonly optimizer: readonly string[];
  /** Bytes of all weights of the group, the optimizer's included. */
  readonly bytes: number;
}

const DTYPES: ReadonlyMap<unknown, DType> = new Map<unknown, DType>([
  ['float32', 'F32'],
  ['int32', 'I32'],
  ['bool', 'BOOL'],
  ['complex64', 'C64'],
]);

/** @throws ManifestError */
export function parseManifest(model: unknown): Manifest {
  if (!isRecord(model)) throw new ManifestError('is not a JSON object.');
  const { format, weightsManifest } = model;
  if (format === 'graph-model') {
    throw new ManifestError(
      'is a converted graph model, made for inference; only layers models can be averaged.',
    );
  }
  if (format !== undefined && format !== 'layers-model') {
    throw new ManifestError(`has the format ${JSON.stringify(format)}, which is not supported.`);
  }
  if (!Array.isArray(weightsManifest)) {
    throw new ManifestError('has no weightsManifest; it is not a TensorFlow.js LayersModel.');
  }
  const names = new Set<string>();
  const paths = new Set<string>();
  const groups = weightsManifest.map((group: unknown, i) => parseGroup(group, i, names, paths));
  return { groups, metadata: parseMetadata(model) };
}

function parseGroup(group: unknown, index: number, names: Set<string>, allPaths: Set<string>): Group {
  if (!isRecord(group) || !Array.isArray(group['paths']) || !Array.isArray(group['weights'])) {
    throw new ManifestError(`has a group ${index} in its weightsManifest without paths and weights.`);
  }
  const paths = group['paths'].map((path: unknown) => {
    const checked = requireInside(path);
    if (allPaths.has(checked)) throw new ManifestError(`lists the weights file ${checked} twice.`);
    allPaths.add(checked);
    return checked;
  });
  const tensors: TensorInfo[] = [];
  const optimizer: string[] = [];
  const offsets = new Map<string, number>();
  let bytes = 0;
  for (const entry of group['weights'] as readonly unknown[]) {
    const { tensor, optimizer: isOptimizers } = parseWeight(entry);
    if (names.has(tensor.name)) throw new ManifestError(`lists the weight ${tensor.name} twice.`);
    names.add(tensor.name);
    if (isOptimizers) {
      optimizer.push(tensor.name);
    } else {
      tensors.push(tensor);
      offsets.set(tensor.name, bytes);
    }
    bytes += elementCount(tensor.shape)! * bytesPerElement(tensor.dtype);
  }
  if (!Number.isSafeInteger(bytes)) throw new ManifestError('describes more bytes than files can have.');
  return { paths, tensors, offsets, optimizer, bytes };
}

function parseWeight(entry: unknown): { readonly tensor: TensorInfo; readonly optimizer: boolean } {
  if (!isRecord(entry) || typeof entry['name'] !== 'string') {
    throw new ManifestError('has a weight without a name in its weightsManifest.');
  }
  const { name, shape, dtype: type, quantization, group } = entry;
  if (quantization !== undefined) {
    const to = isRecord(quantization) ? String(quantization['dtype']) : 'fewer bits';
    throw new ManifestError(
      `holds the weight ${name} quantized to ${to}; a mean of rounded weights is not the model's mean, ` +
        `so take the checkpoints from before quantization.`,
    );
  }
  const dtype = DTYPES.get(type);
  if (dtype === undefined) {
    throw new ManifestError(
      `holds the weight ${name} as ${JSON.stringify(type)}, a type that is not supported.`,
    );
  }
  if (
    !Array.isArray(shape) ||
    !shape.every((n) => typeof n === 'number') ||
    elementCount(shape) === undefined
  ) {
    throw new ManifestError(`gives the weight ${name} a shape that is none.`);
  }
  return { tensor: { name, dtype, shape: shape }, optimizer: group === 'optimizer' };
}

/** A path that stays inside the checkpoint's directory on every platform, and is not model.json itself. */
function requireInside(path: unknown): string {
  if (typeof path !== 'string' || path === '')
    throw new ManifestError('lists a weights file without a name.');
  const parts = path.split('/');
  const bad =
    /[\\:\0]/.test(path) ||
    parts.some((part) => part === '' || part === '.' || part === '..') ||
    path === 'model.json';
  if (bad) {
    throw new ManifestError(
      `lists the weights file ${JSON.stringify(path)}, which is not a file inside its directory.`,
    );
  }
  return path;
}

function parseMetadata(model: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const entries: [string, string][] = [];
  for (const key of ['generatedBy', 'convertedBy']) {
    const value = model[key];
    if (typeof value === 'string') entries.push([key, value]);
  }
  const own = model['userDefinedMetadata'];
  if (isRecord(own)) {
    for (const [key, value] of Object.entries(own)) {
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
        entries.push([key, String(value)]);
      }
    }
  }
  return Object.fromEntries(entries);
}
