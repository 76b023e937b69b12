/** Looking at a path without surprises. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';

import { hasCode } from './files.ts';
import type { FileStamp } from './types.ts';

export type StampResult =
  | { readonly state: 'complete'; readonly stamp: FileStamp }
  | { readonly state: 'incomplete' | 'unreadable'; readonly reason: string };

/** The stamp of a regular file; a pipe or device is never opened. Other I/O errors are thrown. */
export async function stampOf(path: string): Promise<StampResult> {
  try {
    const found = await stat(path);
    if (found.isFile())
      return { state: 'complete', stamp: { path, size: found.size, mtimeMs: found.mtimeMs } };
    return { state: 'unreadable', reason: `${basename(path)} is not a file.` };
  } catch (error) {
    return { ...unopenable(error, path) };
  }
}

/** What an error on opening a checkpoint's file means for the checkpoint; throws those that say nothing about it. */
export function unopenable(
  error: unknown,
  path: string,
): { readonly state: 'incomplete' | 'unreadable'; readonly reason: string } {
  const name = basename(path);
  if (hasCode(error, 'ENOENT', 'ENOTDIR')) {
    return { state: 'incomplete', reason: `${name} is not there (any more, or not yet).` };
  }
  if (hasCode(error, 'ELOOP')) {
    return { state: 'unreadable', reason: `${name} is a symbolic link that leads back to itself.` };
  }
  if (hasCode(error, 'EACCES', 'EPERM')) {
    return { state: 'unreadable', reason: `${name} may not be read; check its permissions.` };
  }
  throw error;
}
