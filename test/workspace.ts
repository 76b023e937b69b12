import { spawnSync } from 'node:child_process';
import { cp, mkdir } from 'node:fs/promises';
import path from 'node:path';

const digits = path.resolve(import.meta.dirname, '../examples/digits');

/** A folder with the digits example's task and data, and a run `runs/digits` of `epochs` checkpoints just trained. */
export async function makeWorkspace(folder: string, epochs: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  await cp(path.join(digits, 'data'), path.join(folder, 'data'), { recursive: true });
  await cp(path.join(digits, 'twa.json'), path.join(folder, 'twa.json'));
  trainRun(folder, 'digits', epochs);
}

/** Trains one more run into the folder: half a second per epoch on 2 cores. */
export function trainRun(folder: string, name: string, epochs: number): void {
  const args = ['--name', name, '--epochs', String(epochs), '--out', path.join(folder, 'runs')];
  const { status, stderr } = spawnSync(process.execPath, [path.join(digits, 'train.ts'), ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`The digits example could not be trained:\n${stderr}`);
}
