/** The real checkpoints that are mutated: pairs of one model, of every format, older first. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { expandPaths, requireComplete } from '../../src/core/checkpoints/registry.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/checkpoints');

export interface Subject {
  /** Under the fixtures: `keras/zip`. */
  readonly name: string;
  readonly format: string;
  readonly pair: readonly [string, string];
}

/** Directories of checkpoints that are one after another in training. */
const SERIES = [
  'mixed',
  'huggingface',
  'sharded',
  'peft',
  'flax',
  'flax-chunked',
  'npz/stored',
  'npz/deflated',
  'keras/weights',
  'keras/legacy',
  'keras/zip',
  'keras-bfloat16/weights',
  'keras-float16/zip',
  'hdf5',
  'hdf5-chunked',
  'hdf5-chunked-v108',
  'tfjs',
  'tensorflow/objects',
  'tensorflow/sharded',
  'tensorflow/version-1',
  'tensorflow/saved-model',
  'torch/distributed/sharded',
  'torch/distributed/single',
  'torch/deepspeed',
];

/** Whose files lie beside others, as `odd-1.pt` and `odd-2.pt`. */
const FOLDERS = ['torch/torch-1.13', 'torch/torch-2.13'];

export async function allSubjects(): Promise<readonly Subject[]> {
  const found: Subject[] = [];
  for (const name of SERIES.filter((one) => existsSync(join(FIXTURES, one)))) {
    await add(found, name, await expandPaths([join(FIXTURES, name)]));
  }
  for (const folder of FOLDERS) {
    const files = (await readdir(join(FIXTURES, folder))).sort();
    for (const first of files.filter((file) => /-1\.\w+$/.test(file))) {
      const second = first.replace(/-1(\.\w+)$/, '-2$1');
      const paths = [first, second].map((file) => join(FIXTURES, folder, file));
      if (files.includes(second)) await add(found, join(folder, first.replace(/-1\.\w+$/, '')), paths);
    }
  }
  return found;
}

async function add(found: Subject[], name: string, paths: readonly string[]): Promise<void> {
  const [older, newer] = paths;
  if (older === undefined || newer === undefined) return;
  const { format } = await requireComplete(older);
  found.push({ name, format, pair: [older, newer] });
}
