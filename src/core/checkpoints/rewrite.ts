/** Copies that are written piece by piece wherever they are needed, because compressed parts change their size. */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';

import { throwIfAborted } from '../errors.ts';
import { hasCode } from './files.ts';
import { exists, publishFile, removePartial, requireAbsent, writeError } from './publish.ts';
import type { WriteOptions } from './types.ts';

const PIECE = 1 << 20;

/**
 * Makes `partial`, lets `fill` write all of it in any order, and publishes it. Nothing remains after a failure.
 * Gives the hex SHA-256 of the result, which takes one more pass over it.
 */
export async function writeFileWhole(
  { output, partial, signal, beforeFinish }: WriteOptions,
  fill: (file: FileHandle) => Promise<void>,
): Promise<string> {
  await requireAbsent(output);
  let file: FileHandle;
  try {
    file = await open(partial, 'wx+');
  } catch (error) {
    throw hasCode(error, 'EEXIST') ? exists(partial) : writeError(error, output);
  }
  try {
    await fill(file);
    await file.sync();
    const sha256 = await digestOf(file, signal);
    await file.close();
    await beforeFinish?.();
    throwIfAborted(signal);
    await publishFile(partial, output);
    return sha256;
  } catch (error) {
    await file.close();
    await removePartial(partial);
    throw writeError(error, output);
  }
}

async function digestOf(file: FileHandle, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of piecesOf(file, 0, (await file.stat()).size, signal)) hash.update(piece);
  return hash.digest('hex');
}

/** A part of a file; every piece is valid until the next one. */
export async function* piecesOf(
  file: FileHandle,
  start: number,
  end: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(PIECE, end - start));
  for (let at = start; at < end;) {
    throwIfAborted(signal);
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at), at);
    if (bytesRead === 0) throw new RangeError('The file has become shorter.');
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

/** Writes all of the bytes, which one call need not do. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
