import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { MetricsUpdate } from '../../../src/core/metrics/types.ts';

/** A file that a real logger wrote: see `make.py` there. */
export function fixture(name: string): string {
  return join(dirname(fileURLToPath(import.meta.url)), '../../fixtures/metrics', name);
}

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'twa-metrics-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** `{ loss: [[step, value], ...] }` */
export function pointsOf(update: MetricsUpdate): Record<string, [number, number][]> {
  return Object.fromEntries(
    update.points.map(({ tag, steps, values }) => [tag, steps.map((step, i) => [step, values[i]!])]),
  );
}
