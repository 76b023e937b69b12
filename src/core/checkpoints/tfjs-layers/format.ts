/** TensorFlow.js LayersModel: a directory with `model.json` and the weights in one file or several (shards). */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { throwIfAborted } from '../../errors.ts';
import { flatFormat, type LayoutResult } from '../flat.ts';
import { hasTooManyParts, MAX_JSON_BYTES, scanJson } from '../json.ts';
import { positionOf } from '../names.ts';
import { stampOf, unopenable } from '../stat.ts';
import type { FileStamp, TensorInfo } from '../types.ts';
import { ManifestError, parseManifest } from './manifest.ts';

const ID = 'tfjs-layers';
const MODEL_JSON = 'model.json';

export const tfjsLayers = flatFormat({
  id: ID,
  label: 'TensorFlow.js LayersModel',
  kind: 'directory',
  candidate: (path) => (basename(path) === MODEL_JSON ? dirname(path) : undefined),
  outputName: (stem) => stem,
  readLayout,
});

async function readLayout(path: string, signal?: AbortSignal): Promise<LayoutResult> {
  throwIfAborted(signal);
  const name = basename(path);
  const modelPath = join(path, MODEL_JSON);
  const incomplete = (what: string): LayoutResult => ({
    state: 'incomplete',
    reason: `${name} ${what}; it is cut off or still being written.`,
  });
  const unreadable = (what: string): LayoutResult => ({
    state: 'unreadable',
    reason: `${join(name, MODEL_JSON)} ${what}`,
  });

  const model = await stampOf(modelPath);
  if (model.state !== 'complete') return model;
  if (model.stamp.size > MAX_JSON_BYTES) {
    return unreadable(`has ${model.stamp.size} bytes; more than ${MAX_JSON_BYTES} are not allowed.`);
  }
  let bytes: Buffer;
  try {
    bytes = await readFile(modelPath, signal === undefined ? {} : { signal });
  } catch (error) {
    throwIfAborted(signal);
    return unopenable(error, modelPath);
  }
  if (hasTooManyParts(bytes)) return unreadable('lists more than any model has.');
  const text = bytes.toString('utf8');
  let manifest;
  try {
    manifest = parseManifest(JSON.parse(text));
  } catch (error) {
    if (error instanceof ManifestError) return unreadable(error.message);
    if (!(error instanceof SyntaxError)) throw error;
    return scanJson(text).open || text.includes('\0')
      ? incomplete('has only the front part of its model.json')
      : unreadable(`is not valid JSON: ${error.message}.`);
  }

  const files: FileStamp[] = [model.stamp];
  const tensors: TensorInfo[] = [];
  const positions = new Map<string, number>();
  let start = model.stamp.size;
  for (const group of manifest.groups) {
    let bytes = 0;
    for (const shard of group.paths) {
      throwIfAborted(signal);
      const found = await stampOf(join(path, shard));
      if (found.state !== 'complete') return { ...found, reason: `${name}: ${found.reason}` };
      files.push(found.stamp);
      bytes += found.stamp.size;
    }
    if (bytes < group.bytes) return incomplete(`has ${bytes} of ${group.bytes} bytes of weights`);
    if (bytes > group.bytes) {
      return unreadable(`describes ${group.bytes} bytes of weights, but its weights files hold ${bytes}.`);
    }
    for (const tensor of group.tensors) tensors.push(tensor);
    for (const [tensor, offset] of group.offsets) positions.set(tensor, start + offset);
    start += bytes;
  }
  const optimizer = manifest.groups.flatMap((group) => group.optimizer);
  return {
    state: 'complete',
    layout: {
      header: {
        path,
        format: ID,
        tensors,
        metadata: manifest.metadata,
        files,
        ...(optimizer.length === 0 ? {} : { optimizer }),
        ...positionOf(path, manifest.metadata),
      },
      positions,
    },
  };
}
