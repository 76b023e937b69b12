/** How a finished checkpoint appears: whole, durable, in one step, and never over anything. */
import { randomUUID } from 'node:crypto';
import { link, lstat, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { TwaError } from '../errors.ts';
import { hasCode } from './files.ts';

/** What a growing checkpoint's name ends in; nothing under such a name is taken for a checkpoint. */
export const PARTIAL_SUFFIX = '.partial';

/** Where a checkpoint grows until it is whole: hidden, beside `output`, and never the same twice. */
export function partialPathFor(output: string): string {
  return join(dirname(output), `.${basename(output)}.${randomUUID().slice(0, 8)}${PARTIAL_SUFFIX}`);
}

/** @throws TwaError `exists` when there is anything at the path, a dangling link included. */
export async function requireAbsent(path: string): Promise<void> {
  try {
    await lstat(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return;
    throw error;
  }
  throw exists(path);
}

/** Beside the bytes themselves: directory entries and whatever else is being logged meanwhile. */
const SPARE_BYTES = 16 << 20;

/** @throws TwaError `no-space` when `directory`, which exists, has no room for `bytes` more. */
export async function requireSpace(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(directory);
  // Some network and overlay file systems report no sizes at all.
  if (blocks === 0) return;
  const free = bavail * bsize;
  if (free >= bytes + SPARE_BYTES) return;
  throw new TwaError(
    'no-space',
    `${directory} has ${megabytes(free)} free, and the average needs ${megabytes(bytes + SPARE_BYTES)}; ` +
      `free some space or choose another place.`,
    { place: { path: directory } },
  );
}

/** Gives a finished file its name. A hard link fails when the name is taken, so that no race can replace anything. */
export async function publishFile(partial: string, output: string): Promise<void> {
  try {
    await link(partial, output);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) throw exists(output);
    await publishWithoutLinks(partial, output);
  }
  // The file is in its place: a second name that stays behind is no failure.
  await rm(partial, { force: true }).catch(() => undefined);
  await syncDirectory(dirname(output));
}

/** For file systems without hard links: an empty file made exclusively holds the name until the rename. */
async function publishWithoutLinks(partial: string, output: string): Promise<void> {
  try {
    await (await open(output, 'wx')).close();
  } catch (error) {
    throw hasCode(error, 'EEXIST') ? exists(output) : error;
  }
  try {
    await rename(partial, output);
  } catch (error) {
    await rm(output, { force: true });
    throw error;
  }
}

/** Gives a finished directory its name. The system refuses to rename a directory over anything that is not empty. */
export async function publishDirectory(partial: string, output: string): Promise<void> {
  await requireAbsent(output);
  try {
    await rename(partial, output);
  } catch (error) {
    throw hasCode(error, 'EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EPERM') ? exists(output) : error;
  }
  await syncDirectory(dirname(output));
}

/**
 * Gives the files in the directory `partial` their place beside `output`, the first one last: it is `output`, and names
 * the checkpoint, so that nothing is seen of it before it is whole.
 */
export async function publishSiblings(
  partial: string,
  output: string,
  names: readonly string[],
): Promise<void> {
  const directory = dirname(output);
  const published: string[] = [];
  try {
    for (const name of names.toReversed()) {
      await publishFile(join(partial, name), join(directory, name));
      published.push(join(directory, name));
    }
  } catch (error) {
    for (const path of published) await rm(path, { force: true });
    throw error;
  }
  await rm(partial, { recursive: true, force: true }).catch(() => undefined);
}

/** Makes names durable. Windows has no such call and needs none. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems cannot sync a directory; the rename itself stands.
    if (!hasCode(error, 'EINVAL', 'ENOTSUP', 'EPERM')) throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Removes what a failed or killed merge left: a file or a directory, or nothing. For the parent of a killed process.
 * Only takes a path that is named as a partial one.
 */
export async function removePartial(partial: string): Promise<void> {
  if (!partial.endsWith(PARTIAL_SUFFIX)) {
    throw new TwaError(
      'usage',
      `${partial} is not the path of an unfinished checkpoint (*${PARTIAL_SUFFIX}).`,
    );
  }
  await rm(partial, { recursive: true, force: true });
}

/** A name that {@link partialPathFor} gave, and nobody else's. */
const OWN_PARTIAL = /^\..+\.[0-9a-f]{8}\.partial$/;
/** A merge that is at work writes every few seconds. */
const ABANDONED_MS = 3_600_000;

/**
 * Removes what merges left in a directory that were killed together with the process that would have cleaned up: our
 * own partial checkpoints that nobody has written to for an hour. Gives their paths. One that cannot be removed stays.
 */
export async function sweepPartials(directory: string, now = Date.now()): Promise<readonly string[]> {
  const names = await readdir(directory).catch(() => []);
  const swept: string[] = [];
  for (const name of names) {
    if (!OWN_PARTIAL.test(name)) continue;
    const path = join(directory, name);
    try {
      if (now - (await newestChange(path)) < ABANDONED_MS) continue;
      await removePartial(path);
      swept.push(path);
    } catch {
      // Gone meanwhile, or not ours to remove: it does no harm.
    }
  }
  return swept;
}

/** Of a file, or of a directory and everything in it; milliseconds since 1970. */
async function newestChange(path: string): Promise<number> {
  const found = await lstat(path);
  if (!found.isDirectory()) return found.mtimeMs;
  const inside = await Promise.all((await readdir(path)).map((name) => newestChange(join(path, name))));
  return Math.max(found.mtimeMs, ...inside);
}

export function exists(path: string): TwaError {
  return new TwaError(
    'exists',
    `${basename(path)} already exists in ${dirname(path)}; nothing is ever overwritten, so choose another name.`,
    { place: { path } },
  );
}

/** Turns what a file system says about writing into a sentence; anything else stays as it is. */
export function writeError(error: unknown, path: string): unknown {
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) {
    return new TwaError('no-space', `The disk of ${path} is full; free some space or choose another place.`, {
      place: { path },
      cause: error,
    });
  }
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS')) {
    return new TwaError('usage', `${dirname(path)} cannot be written to; choose another place.`, {
      place: { path },
      cause: error,
    });
  }
  return error;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
