/**
 * The user's JavaScript task module: any of `model`, `data`, `loss`, `metrics`. Whatever goes wrong in it comes back
 * as a TwaError 'bad-task' with its file, line and stack.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { TwaError } from '../../core/errors.ts';
import type { ErrorPlace } from '../../core/errors.ts';
import type { UserSplit } from '../../core/task/types.ts';
import type { CustomLayers } from '../keras/build.ts';
import { customLayers } from '../keras/custom.ts';
import type { tf } from '../tf.ts';

/** Last argument of each of the user's functions. */
export interface TaskContext {
  readonly tf: typeof tf;
  /** Whether the call is for training (dropout, batch statistics) or for evaluation. */
  readonly training: boolean;
  /** Absolute path of the newest checkpoint. */
  readonly checkpoint: string;
  /** Absolute path of the twa.json. */
  readonly task: string;
}

export interface TaskFunctions {
  model(context: TaskContext): unknown;
  data(split: UserSplit, context: TaskContext): unknown;
  loss(model: unknown, batch: unknown, context: TaskContext): unknown;
  metrics(model: unknown, batch: unknown, context: TaskContext): unknown;
}
type FunctionName = keyof TaskFunctions;

const NAMES: readonly FunctionName[] = ['model', 'data', 'loss', 'metrics'];

export class TaskModule {
  readonly path: string;
  readonly #functions: Partial<TaskFunctions>;
  readonly #layers: unknown;

  /** @param layers Its export of that name: see {@link customLayers}. */
  constructor(path: string, functions: Partial<TaskFunctions>, layers?: unknown) {
    this.path = path;
    this.#functions = functions;
    this.#layers = layers;
  }

  /** Classes of Keras layers that the module brings. */
  get layers(): CustomLayers {
    return customLayers(this.#layers, (message) => this.error(message));
  }

  has(name: FunctionName): boolean {
    return this.#functions[name] !== undefined;
  }

  /** Calls one of the functions; for one that may be asynchronous, await {@link callAsync}. */
  call<N extends FunctionName>(name: N, ...args: Parameters<TaskFunctions[N]>): unknown {
    try {
      return (this.#functions[name] as (...args: unknown[]) => unknown)(...args);
    } catch (error) {
      throw this.failure(`${name}() failed`, error);
    }
  }

  async callAsync<N extends FunctionName>(name: N, ...args: Parameters<TaskFunctions[N]>): Promise<unknown> {
    return this.guard(`${name}() failed`, () => this.call(name, ...args));
  }

  /** Runs more of the user's code (a loader's `batch`, an iterator) under the same rule for errors. */
  async guard<T>(what: string, work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.failure(what, error);
    }
  }

  /** An error of ours about what the module gave. */
  error(message: string): TwaError {
    return new TwaError('bad-task', `${this.path}: ${message}`, { place: { path: this.path } });
  }

  /** The same for anything that the module threw; one of ours stays as it is. */
  failure(what: string, error: unknown): TwaError {
    if (error instanceof TwaError) return error;
    const place = placeOf(error, this.path);
    const at = place.line === undefined ? this.path : `${place.path ?? this.path}:${place.line}`;
    const message = error instanceof Error ? error.message : String(error);
    const stack = error instanceof Error ? (error.stack ?? '').split('\n').map((line) => line.trim()) : [];
    return new TwaError('bad-task', `${at}: ${what}: ${message}`, {
      place,
      details: stack.filter((line) => line !== ''),
      cause: error,
    });
  }
}

export async function loadTaskModule(path: string): Promise<TaskModule> {
  // tfjs's bundle has x.add(y) beside tf.add(x, y) only where it is asked for. Running from source, Node cannot load
  // that part of tfjs (it is written for bundlers), and modules must do with the functions.
  await import('./chained-ops.ts').catch(() => undefined);
  const unloaded = new TaskModule(path, {});
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw unloaded.failure(
      'cannot be loaded',
      error instanceof SyntaxError ? locateSyntaxError(path, error) : error,
    );
  }
  const functions: Partial<Record<FunctionName, unknown>> = {};
  for (const name of NAMES) {
    const value = exported[name];
    if (value === undefined) continue;
    if (typeof value !== 'function') throw unloaded.error(`its export "${name}" is not a function.`);
    functions[name] = value;
  }
  const { layers } = exported;
  if (Object.keys(functions).length === 0 && layers === undefined) {
    throw unloaded.error(`exports none of ${NAMES.join(', ')}; export at least one by that name.`);
  }
  return new TaskModule(path, functions as Partial<TaskFunctions>, layers);
}

/** The first line of the stack that lies in the user's own code, preferably in the module itself. */
function placeOf(error: unknown, path: string): ErrorPlace {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frames = [
    ...stack.matchAll(/(file:\/\/[^\s()]+?|\/[^\s():]+|[A-Za-z]:\\[^():]+):(\d+)(?::(\d+))?/g),
  ].map(([, file, line, column]) => ({
    path: file!.startsWith('file:') ? fileURLToPath(file!) : file!,
    line: Number(line),
    ...(column === undefined ? {} : { column: Number(column) }),
  }));
  return frames.find((frame) => frame.path === path) ?? { path };
}

/** Node keeps the line of a syntax error to itself unless it prints it, which `node --check` makes it do. */
function locateSyntaxError(path: string, error: SyntaxError): SyntaxError {
  if (error.stack?.includes(path) === true) return error;
  const { stderr } = spawnSync(process.execPath, ['--check', path], { encoding: 'utf8', timeout: 10_000 });
  const line = /:(\d+)\n/.exec(stderr)?.[1];
  if (line !== undefined) error.stack = `${path}:${line}\n${error.stack ?? ''}`;
  return error;
}
