/** `averages/twa-live.jsonl`: one line per live pass, only ever appended to. */
import { mkdir, open } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { AVERAGES_DIRECTORY } from '../checkpoints/registry.ts';
import { LineTail } from '../metrics/lines.ts';
import { parseLine, type LiveLine } from './line.ts';

export const LIVE_LOG = 'twa-live.jsonl';

export function liveLogOf(runDirectory: string): string {
  return join(runDirectory, AVERAGES_DIRECTORY, LIVE_LOG);
}

/** A checkpoint as the log names it. */
export function nameInRun(runDirectory: string, checkpoint: string): string {
  return relative(runDirectory, checkpoint).split(sep).join('/');
}

/** The inverse of {@link nameInRun}. */
export function pathInRun(runDirectory: string, name: string): string {
  return resolve(runDirectory, name);
}

/** All lines that can be read, oldest first; none where there is no log. A line still being written is left out. */
export async function readLiveLog(path: string, signal?: AbortSignal): Promise<readonly LiveLine[]> {
  const lines: LiveLine[] = [];
  const tail = new LineTail(path, {
    reset: () => void (lines.length = 0),
    line: (text) => {
      try {
        lines.push(parseLine(text));
      } catch {
        // Whoever draws the curve says what is wrong with it.
      }
    },
  });
  await tail.poll(signal);
  return lines;
}

/** Makes the log, and its directory, where there is none. A line that a crash has cut off stays what it is. */
export async function appendLine(path: string, line: LiveLine): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'a+');
  try {
    const { size } = await file.stat();
    const last = Buffer.alloc(1, '\n');
    if (size > 0) await file.read(last, 0, 1, size - 1);
    // In one write, so that two windows cannot mix their lines.
    await file.appendFile(`${last.toString() === '\n' ? '' : '\n'}${JSON.stringify(line)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}
