/**
 * `model.safetensors.index.json`: `{"metadata": {...}, "weight_map": {tensor: file}}`.
 * https://huggingface.co/docs/safetensors/en/metadata_parsing
 */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

import { throwIfAborted } from '../../errors.ts';
import { hasTooManyParts, isRecord, MAX_JSON_BYTES, scanJson } from '../json.ts';
import type { FileStamp } from '../types.ts';

/** Half a sentence that follows the directory's name. */
export class ShardIndexError extends Error {}

/** The file of every tensor, a plain name; undefined for an index that is cut off. @throws ShardIndexError */
export async function readShardIndex(
  { path, size }: FileStamp,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string> | undefined> {
  const name = basename(path);
  if (size > MAX_JSON_BYTES) throw new ShardIndexError(`has a ${name} of ${size} bytes.`);
  const bytes = await readFile(path, signal === undefined ? {} : { signal }).catch((error: unknown) => {
    throwIfAborted(signal);
    throw error;
  });
  if (hasTooManyParts(bytes)) throw new ShardIndexError(`has a ${name} that lists more than any model has.`);
  const text = bytes.toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    if (scanJson(text).open || text.includes('\0')) return undefined;
    throw new ShardIndexError(`has a ${name} that is not valid JSON: ${(error as Error).message}.`);
  }
  const map = isRecord(parsed) ? parsed['weight_map'] : undefined;
  if (!isRecord(map)) throw new ShardIndexError(`has a ${name} without a weight_map.`);
  const files = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map)) {
    // A plain name: the shards lie beside the index and nowhere else.
    if (typeof file !== 'string' || !/^[^/\\:\0]+\.safetensors$/i.test(file)) {
      throw new ShardIndexError(
        `has a ${name} that places ${tensor} in ${JSON.stringify(file)}, no safetensors file.`,
      );
    }
    files.set(tensor, file);
  }
  return files;
}
