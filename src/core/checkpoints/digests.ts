/**
 * SHA-256 digests of checkpoints, remembered between runs. Where reading a byte from the page cache and mixing it takes
 * a tenth of a nanosecond each (float32), a SHA-256 takes two thirds of one, on a processor that has instructions for
 * it: on two processors no arrangement of threads brings a merge that hashes its sources near the speed of plain reads.
 * A report still has to name its sources by it, for it is what others can check. So
 * it is computed once per checkpoint, over the very bytes that are mixed, and kept for as long as the system says that
 * the files are the same ones, unchanged: device, inode, size, and the times of the last change of the content and of
 * the inode, in nanoseconds. The last cannot be set by programs, so replacing, touching up and restoring a file with
 * its old date all show. It is what git's index relies on, with its rule for files that changed a moment ago.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

import type { FileStamp } from './types.ts';

export interface RememberedDigest {
  /** Hex SHA-256 of the files one after another. */
  readonly sha256: string;
  /** When it was computed: ISO 8601. */
  readonly computedAt: string;
}

/** Hashing less takes less time than looking it up. */
const WORTH_REMEMBERING = 16 << 20;
/**
 * Times of file systems are as coarse as two seconds (FAT): a file that changed less than this ago may change again
 * and look the same.
 */
const SETTLED_MS = 3000;
/** The oldest are forgotten first. */
const MAX_ENTRIES = 4096;
const VERSION = 1;

export class DigestRecords {
  readonly #path: string;
  readonly #settledMs: number;

  /** @param path of the JSON file that they are kept in; need not exist. */
  constructor(path: string, settledMs = SETTLED_MS) {
    this.#path = path;
    this.#settledMs = settledMs;
  }

  /**
   * A name for exactly these files in exactly this state; undefined when they are small, or changed too recently to
   * tell.
   * @throws the file system's error when one is gone.
   */
  async stateOf(files: readonly FileStamp[]): Promise<string | undefined> {
    if (files.reduce((sum, { size }) => sum + size, 0) < WORTH_REMEMBERING) return undefined;
    const state = createHash('sha256');
    const settled = BigInt(Date.now() - this.#settledMs) * 1_000_000n;
    for (const { path } of files) {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      if (mtimeNs > settled || ctimeNs > settled) return undefined;
      state.update(JSON.stringify([path, ...[dev, ino, size, mtimeNs, ctimeNs].map(String)]));
    }
    return state.digest('hex');
  }

  async find(state: string): Promise<RememberedDigest | undefined> {
    return (await this.#read()).get(state);
  }

  /** Adds to what is there by now. Records are no part of any result: that they cannot be written is no failure. */
  async remember(digests: ReadonlyMap<string, RememberedDigest>): Promise<void> {
    if (digests.size === 0) return;
    const partial = `${this.#path}.${process.pid}`;
    try {
      const all = [...(await this.#read()), ...digests].slice(-MAX_ENTRIES);
      await mkdir(dirname(this.#path), { recursive: true });
      await writeFile(partial, JSON.stringify({ version: VERSION, digests: Object.fromEntries(all) }));
      // Whole or not at all, whoever reads or writes it meanwhile; of two writers the later one counts.
      await rename(partial, this.#path);
    } catch {
      await rm(partial, { force: true }).catch(() => undefined);
    }
  }

  /** What cannot be read or understood is not remembered. */
  async #read(): Promise<Map<string, RememberedDigest>> {
    try {
      const content: unknown = JSON.parse(await readFile(this.#path, 'utf8'));
      if (!isRecord(content) || content['version'] !== VERSION || !isRecord(content['digests']))
        return new Map();
      return new Map(Object.entries(content['digests']).filter(isEntry));
    } catch {
      return new Map();
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

const HEX = /^[0-9a-f]{64}$/;

function isEntry(entry: [string, unknown]): entry is [string, RememberedDigest] {
  const [state, digest] = entry;
  return (
    HEX.test(state) &&
    isRecord(digest) &&
    typeof digest['sha256'] === 'string' &&
    HEX.test(digest['sha256']) &&
    typeof digest['computedAt'] === 'string'
  );
}
