/**
 * The parent's side of a compute process: starts one per job, and always ends it. Used by the CLI on plain Node and
 * by VS Code's extension host, which in desktop VS Code is Electron.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { removePartial } from '../core/checkpoints/publish.ts';
import type { PassProgress } from '../core/averaging/types.ts';
import { reportPathFor } from '../core/averaging/report.ts';
import { contributions } from '../core/contributions/registry.ts';
import type { Contribution } from '../core/contributions/types.ts';
import { cancelled, deserializeError, throwIfAborted, TwaError } from '../core/errors.ts';
import { parseFromCompute } from './messages.ts';
import { plainNode } from './node.ts';
import type { AverageRequest, ConvertJobRequest, FromCompute, JobName, Jobs, ToCompute } from './protocol.ts';
import { withLibraries } from './setup/home.ts';

export type LogLevel = Extract<FromCompute, { kind: 'log' }>['level'];

export interface JobHooks {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PassProgress) => void;
  /** With the process's id, as soon as it is ready. */
  readonly onStart?: (pid: number) => void;
  /** The job's log, and what tfjs or a task module prints. */
  readonly onLog?: (level: LogLevel, text: string) => void;
  /** The compute bundle. By default `compute.mjs` beside this bundle, or in `dist/` when running from source. */
  readonly computePath?: string;
  /** Working directory; optional GPU packages are also looked for in its node_modules. By default the parent's. */
  readonly cwd?: string;
  /** Folders of shared libraries that the process must find; by default those that what is set up needs. */
  readonly libraries?: readonly string[] | undefined;
}

/** After a cancel the process has this long to clean up; after its answer, to end. Then it is killed. */
const GRACE_MS = 5000;
const STDERR_LINES = 20;

/**
 * Runs one job in a process of its own. Rejects with what the job threw, with 'cancelled', or with 'compute-died'
 * when the process ended without an answer. In every such case neither a partial nor an unfinished output is left.
 */
export async function runJob<J extends JobName>(
  job: J,
  request: Jobs[J]['request'],
  hooks: JobHooks = {},
): Promise<Jobs[J]['result']> {
  const node = await plainNode();
  throwIfAborted(hooks.signal);
  const removeLeftovers = leftoversOf(job, request);
  try {
    return await new Promise<Jobs[J]['result']>((resolve, reject) => {
      const child = start(hooks, node?.path);
      const stderr = followOutput(child, hooks);
      let answer: (() => void) | undefined;
      let deadline: NodeJS.Timeout | undefined;
      const killLater = (): void => {
        deadline ??= setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
      };
      const cancel = (): void => {
        send(child, { kind: 'cancel' });
        killLater();
      };
      hooks.signal?.addEventListener('abort', cancel, { once: true });

      child.on('message', (raw) => {
        try {
          const message = parseFromCompute(raw);
          switch (message.kind) {
            case 'ready':
              hooks.onStart?.(message.pid);
              send(child, { kind: 'start', job, request, contributions: forCompute() } as ToCompute);
              break;
            case 'progress':
              hooks.onProgress?.(message.progress);
              break;
            case 'log':
              hooks.onLog?.(message.level, message.text);
              break;
            case 'result':
              answer = () => resolve(message.result);
              killLater();
              break;
            case 'error':
              answer = () => reject(deserializeError(message.error));
              killLater();
              break;
          }
        } catch (error) {
          answer ??= () => reject(error instanceof Error ? error : new Error(String(error)));
          child.kill('SIGKILL');
        }
      });
      // 'close' comes after the last message and the last line of stderr; without a process there is only 'error'.
      child.on('error', (error) => {
        answer ??= () =>
          reject(new TwaError('compute-died', `The compute process did not start: ${error.message}.`));
        if (child.pid === undefined) end(null, null);
      });
      child.on('close', end);

      function end(code: number | null, signal: NodeJS.Signals | null): void {
        clearTimeout(deadline);
        hooks.signal?.removeEventListener('abort', cancel);
        if (answer !== undefined) answer();
        else if (hooks.signal?.aborted === true) reject(cancelled());
        else reject(died(code, signal, stderr));
      }
    });
  } catch (error) {
    await removeLeftovers();
    throw error;
  }
}

function start({ computePath, cwd, libraries }: JobHooks, node: string | undefined): ChildProcess {
  const env = withLibraries({ ...process.env }, libraries);
  if (process.versions['electron'] !== undefined) {
    // The host's NODE_OPTIONS hold its debugger's hooks; Electron's binary is the editor unless told otherwise.
    delete env['NODE_OPTIONS'];
    if (node === undefined) env['ELECTRON_RUN_AS_NODE'] = '1';
    else delete env['ELECTRON_RUN_AS_NODE'];
  }
  return fork(computePath ?? defaultComputePath(), [], {
    execArgv: [],
    ...(node === undefined ? {} : { execPath: node }),
    env,
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** Logs are not read there. */
function forCompute(): readonly Contribution[] {
  return contributions().filter(({ kind }) => kind !== 'metrics');
}

/** Beside the CLI's bundle, above the extension's; in dist/ when running from source. */
function defaultComputePath(): string {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const beside = path.join(here, 'compute.mjs');
  return existsSync(beside) ? beside : path.join(here, '../../dist/compute.mjs');
}

function send(child: ChildProcess, message: ToCompute): void {
  // A process that is gone already is reported by its 'close' event.
  if (child.connected) child.send(message, () => undefined);
}

/**
 * What native libraries say of themselves each time that they are loaded, whatever they are asked to leave out:
 * TensorFlow's information, and Dawn's that a driver is missing, which the report on the device says in our words.
 */
const LIBRARY_TALK =
  /^I\d{4} [\d:.]+ |^WARNING: All log messages before absl::|^Warning: Couldn't load Vulkan|^ {4}at operator\(\) \(/;

/** Passes on what the child prints; gives its last lines of stderr. */
function followOutput(child: ChildProcess, { onLog }: JobHooks): readonly string[] {
  const last: string[] = [];
  const follow = (stream: Readable | null, line: (text: string) => void): void => {
    if (stream !== null) createInterface({ input: stream }).on('line', line);
  };
  follow(child.stdout, (text) => onLog?.('info', text));
  follow(child.stderr, (text) => {
    last.push(text);
    if (last.length > STDERR_LINES) last.shift();
    onLog?.(LIBRARY_TALK.test(text) ? 'debug' : 'warn', text);
  });
  return last;
}

function died(code: number | null, signal: NodeJS.Signals | null, stderr: readonly string[]): TwaError {
  const how = signal === null ? `with exit code ${String(code)}` : `by signal ${signal}`;
  const why = signal === 'SIGKILL' ? ' The system may have run out of memory: try fewer checkpoints.' : '';
  return new TwaError(
    'compute-died',
    `The compute process was ended ${how} before it was done; nothing was written.${why}`,
    { details: stderr.filter((line) => line.trim() !== '') },
  );
}

/** What removes the unfinished files of a job that failed. */
function leftoversOf<J extends JobName>(job: J, request: Jobs[J]['request']): () => Promise<void> {
  if (job === 'average') return unfinishedAverage(request as AverageRequest);
  return async () => {
    if (job === 'convert') await removePartial((request as ConvertJobRequest).partial);
  };
}

/** A partial, and an output without the report that completes it. An output that was there before is somebody else's. */
function unfinishedAverage({ output, partial }: AverageRequest): () => Promise<void> {
  const existed = existsSync(output);
  return async () => {
    await removePartial(partial);
    if (existed || existsSync(reportPathFor(output))) return;
    await rm(output, { recursive: true, force: true });
  };
}
