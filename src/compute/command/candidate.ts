/** Mixes on disk for a moment, far from the user's runs: an evaluation command takes a file. */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DigestRecords } from '../../core/checkpoints/digests.ts';
import { mergeCheckpoints } from '../../core/checkpoints/merge.ts';
import { partialPathFor } from '../../core/checkpoints/publish.ts';
import { formatById } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';

const PREFIX = 'twa-candidate-';
/** So long after its last change, what a process left that is not there any more is nobody's. */
const ABANDONED_MS = 24 * 3600 * 1000;

export class CandidateFolder {
  readonly #directory: string;
  readonly #digests: DigestRecords;
  readonly #leave: () => void;

  private constructor(directory: string) {
    this.#directory = directory;
    // Sources are hashed once, not once per candidate.
    this.#digests = new DigestRecords(path.join(directory, 'digests.json'));
    this.#leave = () => rmSync(directory, { recursive: true, force: true });
    process.on('exit', this.#leave);
  }

  /** In the system's folder for temporary files (TMPDIR). What processes that were killed left there goes too. */
  static async make(): Promise<CandidateFolder> {
    await removeAbandoned();
    return new CandidateFolder(await mkdtemp(path.join(os.tmpdir(), `${PREFIX}${process.pid}-`)));
  }

  /** The mix in a file that is there while `use` runs. */
  async with<T>(
    headers: readonly CheckpointHeader[],
    coefficients: readonly number[],
    buffers: ReadonlyMap<string, Float32Array | Float64Array>,
    signal: AbortSignal | undefined,
    use: (file: string) => Promise<T>,
  ): Promise<T> {
    const template = headers.at(-1)!;
    const output = path.join(this.#directory, formatById(template.format).outputName('candidate', template));
    const partial = partialPathFor(output);
    try {
      const digests = this.#digests;
      const more = signal === undefined ? {} : { signal };
      await mergeCheckpoints({ headers, coefficients, output, partial, buffers, digests, ...more });
      return await use(output);
    } finally {
      await rm(output, { recursive: true, force: true });
    }
  }

  async remove(): Promise<void> {
    process.off('exit', this.#leave);
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(os.tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const folder = path.join(os.tmpdir(), name);
    const found = await stat(folder).catch(() => undefined);
    if (found === undefined || found.uid !== (process.getuid?.() ?? found.uid)) continue;
    if (Date.now() - found.mtimeMs < ABANDONED_MS) continue;
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is alive too.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
