import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { directoryWith } from '../task/temporary.ts';
import { checkpoints } from './cli.ts';

/** A run of three checkpoints of a 4x4 image classifier, and 120 images of noise around two means. */
export function project(context: TestContext): string {
  const rows = Array.from({ length: 120 }, (_, row) => {
    const label = row % 2;
    const pixels = Array.from(
      { length: 16 },
      (_, pixel) => Math.sin(13 * row + 7 * pixel) + (label === 1 ? 0.5 : -0.5),
    );
    return [...pixels.map((value) => value.toFixed(4)), label].join(',');
  });
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);
  const directory = directoryWith(context, {
    'data.csv': rows.join('\n'),
    'splits.json': JSON.stringify({ train: range(0, 40), validation: range(40, 90), test: range(90, 120) }),
    'twa.json': JSON.stringify({
      data: {
        inputs: { file: 'data.csv', columns: '0-15', shape: [4, 4, 1] },
        targets: { file: 'data.csv', columns: '16', classes: 2 },
        splits: 'splits.json',
      },
      output: 'probabilities',
      loss: 'softmaxCrossEntropy',
      metric: 'accuracy',
    }),
  });
  mkdirSync(path.join(directory, 'run'));
  for (const name of ['epoch-1', 'epoch-2', 'epoch-3']) {
    cpSync(path.join(checkpoints, 'tfjs', name), path.join(directory, 'run', name), { recursive: true });
  }
  return directory;
}
