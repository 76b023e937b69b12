/** The interpreter that the tests of engine `pytorch` run, and ways to talk to it. */
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { startCommand } from '../../../src/compute/pytorch/interpreter.ts';
import type { Source } from '../../../src/compute/pytorch/messages.ts';
import { PythonProcess } from '../../../src/compute/pytorch/process.ts';
import type { TestContext } from 'node:test';

const DEBIAN = { python: '/usr/bin/python3', torch: '/usr/lib/python3/dist-packages/torch' };

/** `npm test` sets TWA_PYTHON where it has found or brought torch. */
export const python: string | undefined =
  process.env['TWA_PYTHON'] ?? (existsSync(DEBIAN.torch) ? DEBIAN.python : undefined);

/** For `test(name, { skip })`. */
export const skip: string | false =
  python === undefined ? 'no Python with torch: set TWA_PYTHON to one that imports it' : false;

const RUNS = path.join(import.meta.dirname, '../../fixtures/pytorch/runs');

export type Kind = 'mlp' | 'wide' | 'dict' | 'norm';

/** What plain PyTorch computed: see make_runs.py. */
export interface Reference {
  readonly coefficients: readonly number[];
  readonly rows: readonly number[];
  readonly loss: number;
  readonly gradient: readonly number[];
  readonly gram: readonly number[];
  readonly running_mean?: readonly number[];
  readonly running_var?: readonly number[];
  readonly losses: readonly number[];
  readonly accuracy: readonly number[];
  readonly second: readonly number[];
}

export function reference(kind: Kind): Reference {
  return JSON.parse(readFileSync(path.join(RUNS, kind, 'reference.json'), 'utf8')) as Reference;
}

/** For tests that leave it as it is. */
export function runDirectory(kind: Kind): string {
  return path.join(RUNS, kind);
}

/** A copy of a run, which the test may spoil; with a test it goes when that ends. */
export async function copyRun(kind: Kind, t?: TestContext): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'twa-pytorch-'));
  t?.after(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));
  await cp(path.join(RUNS, kind), directory, { recursive: true });
  return directory;
}

export function checkpointsIn(directory: string, kind: Kind): string[] {
  const extension = kind === 'dict' ? 'safetensors' : 'pt';
  return [0, 1, 2, 3].map((epoch) => path.join(directory, `epoch-${epoch}.${extension}`));
}

export async function sourcesIn(directory: string, kind: Kind): Promise<Source[]> {
  return Promise.all(
    checkpointsIn(directory, kind).map(async (file) => {
      const header = await requireComplete(file);
      return {
        path: header.path,
        format: header.format,
        files: header.files.map((each) => each.path),
        tensors: header.tensors.map(({ name }) => name),
      };
    }),
  );
}

export interface Started {
  readonly process: PythonProcess;
  readonly lines: string[];
}

/** The caller closes it. */
export async function start(
  cwd: string,
  signal: AbortSignal = new AbortController().signal,
  command = startCommand(python!, undefined),
): Promise<Started> {
  const lines: string[] = [];
  const log = (_: string, text: string): number => lines.push(text);
  const process = await PythonProcess.start({ command, cwd, signal, log });
  return { process, lines };
}

export async function open(
  { process }: Started,
  directory: string,
  checkpoint: Source,
  more: { amp?: 'bf16' | 'fp16'; microBatch?: number; device?: string } = {},
) {
  return process.request({
    kind: 'open',
    module: path.join(directory, 'task.py'),
    metric: 'accuracy',
    batchSize: 32,
    ...more,
    checkpoint,
    random: 1,
  });
}
