/** Runs the command as its users do: as a process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';

export const root = path.resolve(import.meta.dirname, '../../..');
export const checkpoints = path.join(root, 'test/fixtures/checkpoints');
const entry = path.join(root, 'src/cli/main.ts');

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function start(args: readonly string[], cwd = root) {
  return spawn(process.execPath, [entry, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
}

export async function twa(args: readonly string[], cwd = root): Promise<Outcome> {
  const child = start(args, cwd);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

/** The one document on standard output: throws when there is anything else, or more than a line. */
export function onlyDocument(outcome: Outcome): Record<string, unknown> {
  const lines = outcome.stdout.split('\n');
  if (lines.length !== 2 || lines[1] !== '') throw new Error(`Not one line: ${outcome.stdout}`);
  return JSON.parse(lines[0]!) as Record<string, unknown>;
}
