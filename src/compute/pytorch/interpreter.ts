/** Which Python runs a task, and how it is started: directly, or by a launcher such as torchrun. */
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { TwaError } from '../../core/errors.ts';

export interface Interpreter {
  readonly path: string;
  /** For people: why this one. */
  readonly reason: string;
}

const WINDOWS = process.platform === 'win32';
const NAMES = WINDOWS ? ['python.exe'] : ['python3', 'python'];
const IN_ENVIRONMENT = WINDOWS ? ['Scripts/python.exe', 'python.exe'] : ['bin/python3', 'bin/python'];

/**
 * The interpreter that was asked for; else `TWA_PYTHON`; the active virtual or conda environment; `.venv` or `venv`
 * beside the task or above it; the first in PATH. Throws `no-backend` where there is none, or not the one asked for.
 *
 * @param directory of the task
 */
export function findPython(
  given: string | undefined,
  directory: string,
  environment: NodeJS.ProcessEnv = process.env,
): Interpreter {
  const named = (name: string | undefined, reason: string): Interpreter | undefined => {
    if (name === undefined || name === '') return undefined;
    const found = locate(name, environment);
    if (found !== undefined) return { path: found, reason };
    throw new TwaError(
      'no-backend',
      `There is no Python interpreter ${name} (${reason}): name one with --python, in VS Code with the setting twa.pythonPath.`,
    );
  };
  const active = (variable: string): Interpreter | undefined => {
    const python = inEnvironment(environment[variable]);
    return python === undefined ? undefined : { path: python, reason: variable };
  };
  const found =
    named(given, 'as asked for') ??
    named(environment['TWA_PYTHON'], 'TWA_PYTHON') ??
    active('VIRTUAL_ENV') ??
    active('CONDA_PREFIX') ??
    besideTask(directory) ??
    inPath(environment);
  if (found !== undefined) return found;
  throw new TwaError(
    'no-backend',
    'There is no Python in PATH: name an interpreter with --python, in VS Code with the setting twa.pythonPath.',
  );
}

/**
 * The program and arguments that start the engine. `torchrun` at the head of a launcher becomes the module of the same
 * interpreter, so that no other environment's torchrun is picked up.
 */
export function startCommand(python: string, launcher: string | undefined): readonly string[] {
  const script = enginePath();
  const words = launcher === undefined ? [] : splitWords(launcher);
  const [first, ...rest] = words;
  if (first === undefined) return [python, '-u', script];
  if (first === 'torchrun') return [python, '-u', '-m', 'torch.distributed.run', ...rest, script];
  return [...words, script];
}

/** Words as a shell would see them, with single and double quotes; nothing else is special. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (const character of line) {
    if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else word = (word ?? '') + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + character;
    }
  }
  if (quote !== undefined)
    throw new TwaError('usage', `The launcher ${line} has a quote ${quote} without its end.`);
  return word === undefined ? words : [...words, word];
}

/** Beside the bundle once built; in the repository when running from source. */
function enginePath(): string {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const bundled = path.join(here, 'python', 'run_twa_task.py');
  return existsSync(bundled) ? bundled : path.join(here, '../../../python/run_twa_task.py');
}

function locate(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  if (!name.includes('/') && !name.includes(path.sep)) return searchPath([name], environment);
  const file = path.resolve(name);
  if (isFile(file)) return file;
  // The folder of an environment is as good a name for its interpreter.
  return inEnvironment(file);
}

function besideTask(directory: string): Interpreter | undefined {
  for (let folder = path.resolve(directory); ; folder = path.dirname(folder)) {
    for (const name of ['.venv', 'venv']) {
      const python = inEnvironment(path.join(folder, name));
      if (python !== undefined) return { path: python, reason: `${name} beside the task` };
    }
    if (folder === path.dirname(folder)) return undefined;
  }
}

function inEnvironment(folder: string | undefined): string | undefined {
  if (folder === undefined || folder === '') return undefined;
  return IN_ENVIRONMENT.map((name) => path.join(folder, name)).find(isFile);
}

function inPath(environment: NodeJS.ProcessEnv): Interpreter | undefined {
  const python = searchPath(NAMES, environment);
  return python === undefined ? undefined : { path: python, reason: 'PATH' };
}

function searchPath(names: readonly string[], environment: NodeJS.ProcessEnv): string | undefined {
  const folders = (environment['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return names.flatMap((name) => folders.map((folder) => path.join(folder, name))).find(isFile);
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}
