/** Training order: oldest first. */
import { basename } from 'node:path';

import type { CheckpointHeader, FileStamp } from './types.ts';

/** What tells one checkpoint from the next in time. */
export interface Placed {
  readonly path: string;
  readonly step?: number;
  readonly epoch?: number;
  /** Milliseconds since 1970. */
  readonly mtimeMs: number;
}

const byName = new Intl.Collator('en', { numeric: true });

/**
 * By step where every placed checkpoint has one, else by epoch where every one has, else by time of writing and
 * name. Checkpoints without a number (`last`, `best`) go by time among the others as long as the others' times agree
 * with their numbers; after a copy has scrambled the times they go last.
 */
export function trainingOrder<T extends Placed>(items: readonly T[]): T[] {
  const numbered = items.filter((item) => item.step !== undefined || item.epoch !== undefined);
  const rest = items.filter((item) => item.step === undefined && item.epoch === undefined);
  const bySteps = numbered.every((item) => item.step !== undefined);
  const byEpochs = numbered.every((item) => item.epoch !== undefined);
  const byTime = (a: T, b: T): number =>
    a.mtimeMs - b.mtimeMs ||
    byName.compare(basename(a.path), basename(b.path)) ||
    byName.compare(a.path, b.path);

  if (!bySteps && !byEpochs) return [...items].sort(byTime);
  const ordered = numbered.sort(
    (a, b) => (bySteps ? a.step! - b.step! : 0) || (byEpochs ? a.epoch! - b.epoch! : 0) || byTime(a, b),
  );
  const timesAgree = ordered.every((item, i) => i === 0 || ordered[i - 1]!.mtimeMs < item.mtimeMs);
  for (const item of rest.sort(byTime)) {
    const later = timesAgree ? ordered.findIndex((other) => other.mtimeMs > item.mtimeMs) : -1;
    ordered.splice(later === -1 ? ordered.length : later, 0, item);
  }
  return ordered;
}

export function inTrainingOrder(headers: readonly CheckpointHeader[]): CheckpointHeader[] {
  const placed = headers.map((header) => ({
    path: header.path,
    ...(header.step === undefined ? {} : { step: header.step }),
    ...(header.epoch === undefined ? {} : { epoch: header.epoch }),
    mtimeMs: newest(header.files),
    header,
  }));
  return trainingOrder(placed).map((item) => item.header);
}

function newest(files: readonly FileStamp[]): number {
  return files.reduce((latest, file) => Math.max(latest, file.mtimeMs), 0);
}
