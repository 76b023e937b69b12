import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
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

/** As if a run were training: these epochs of a trained one, with what it logged about them. */
export async function continueRun(trained: string, run: string, epochs: readonly number[]): Promise<void> {
  const [head = '', ...rows] = (await readFile(path.join(trained, 'metrics.csv'), 'utf8')).trim().split('\n');
  await mkdir(run, { recursive: true });
  const log = path.join(run, 'metrics.csv');
  if (!existsSync(log)) await writeFile(log, `${head}\n`);
  for (const epoch of epochs) {
    const name = `epoch-${String(epoch).padStart(3, '0')}`;
    await cp(path.join(trained, name), path.join(run, name), { recursive: true });
    await appendFile(log, `${rows[epoch - 1]!}\n`);
  }
}
