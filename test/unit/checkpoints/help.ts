/** What several checkpoint tests need: a directory of their own, and safetensors files with any header at all. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { TwaError, type ErrorCode } from '../../../src/core/errors.ts';

export const FIXTURES = join(import.meta.dirname, '../../fixtures/checkpoints');

/** Removed when the test file is done. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'twa-checkpoints-'));
  after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** The bytes of a safetensors file with this header, as text or as what becomes JSON; nothing is checked. */
export function safetensorsBytes(header: unknown, data: Uint8Array = new Uint8Array(0)): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([prefix, json, data]);
}

/** A valid safetensors file of float32 tensors, each a vector. */
export async function writeFloats(
  path: string,
  tensors: Readonly<Record<string, readonly number[] | Float32Array>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const entries: [string, unknown][] = [['__metadata__', metadata]];
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const [name, values] of Object.entries(tensors)) {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    entries.push([name, { dtype: 'F32', shape: [values.length], data_offsets: [at, at + bytes.length] }]);
    parts.push(bytes);
    at += bytes.length;
  }
  await writeFile(path, safetensorsBytes(Object.fromEntries(entries), Buffer.concat(parts)));
}

/** Whether an error is a TwaError of this kind whose message and details match; for `assert.rejects`. */
export function twaError(code: ErrorCode, ...patterns: readonly RegExp[]): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof TwaError, String(error));
    assert.equal(error.code, code, error.message);
    for (const pattern of patterns) assert.match([error.message, ...error.details].join('\n'), pattern);
    return true;
  };
}

export function header(path: string, fields: Partial<CheckpointHeader> = {}): CheckpointHeader {
  return { path, format: 'safetensors', tensors: [], metadata: {}, files: [], ...fields };
}
