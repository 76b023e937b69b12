/** What a checkpoint is on disk, for taking it away as a whole and nothing else. No VS Code here. */
import { lstat, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { reportPathFor } from '../../core/averaging/report.ts';
import { inspectPath } from '../../core/checkpoints/registry.ts';

/** The files and directories that go together, and what they come to. */
export interface OnDisk {
  /** Absolute; a directory goes with everything in it. */
  readonly paths: readonly string[];
  /** Of all files in them. */
  readonly bytes: number;
  /** Of those that have no other name: what the disk gets back. */
  readonly freed: number;
  /** Newest change of any of them, milliseconds since 1970. */
  readonly changedMs: number;
}

/** A directory goes whole, with what training put beside the weights; a file with the others of its checkpoint. */
export async function onDisk(checkpoint: string, isAverage: boolean): Promise<OnDisk> {
  const isLink = (await lstat(checkpoint)).isSymbolicLink();
  const paths = new Set([checkpoint]);
  if (!isLink && !(await stat(checkpoint)).isDirectory()) {
    // TensorFlow's .index has its .data beside it.
    const inspection = await inspectPath(checkpoint).catch(() => undefined);
    if (inspection?.state === 'complete') for (const file of inspection.header.files) paths.add(file.path);
  }
  if (isAverage) {
    const report = reportPathFor(checkpoint);
    if (path.dirname(report) !== checkpoint && (await exists(report))) paths.add(report);
  }
  const sizes = await Promise.all([...paths].map(measure));
  return {
    paths: [...paths],
    bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
    freed: sizes.reduce((sum, { freed }) => sum + freed, 0),
    changedMs: Math.max(...sizes.map(({ changedMs }) => changedMs)),
  };
}

/** A link is only a name: what it leads to stays. */
async function measure(at: string): Promise<Omit<OnDisk, 'paths'>> {
  const found = await lstat(at);
  if (!found.isDirectory()) {
    const isFile = found.isFile();
    return {
      bytes: isFile ? found.size : 0,
      freed: isFile && found.nlink === 1 ? found.size : 0,
      changedMs: found.mtimeMs,
    };
  }
  const inside = await Promise.all((await readdir(at)).map((name) => measure(path.join(at, name))));
  return {
    bytes: inside.reduce((sum, { bytes }) => sum + bytes, 0),
    freed: inside.reduce((sum, { freed }) => sum + freed, 0),
    // The directory's own time changes when a name comes or goes in it.
    changedMs: Math.max(found.mtimeMs, ...inside.map(({ changedMs }) => changedMs)),
  };
}

async function exists(at: string): Promise<boolean> {
  return (await lstat(at).catch(() => undefined)) !== undefined;
}
