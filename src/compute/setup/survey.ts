/** What "Set Up GPU" looks at before it proposes anything. Nothing is changed, installed or downloaded. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { throwIfAborted, TwaError } from '../../core/errors.ts';
import { runJob } from '../client.ts';
import { plainNode, type PlainNode } from '../node.ts';
import type { DevicesResult } from '../protocol.ts';
import { findPython } from '../pytorch/interpreter.ts';

/** A TensorFlow that Python imports. */
export interface PythonTensorflow {
  readonly version: string;
  /** The package's folder, where its C library and headers are. */
  readonly directory: string;
  /** "12.5.1"; undefined where it was built for the processor only. */
  readonly cuda: string | undefined;
  /** `libtensorflow_cc.so.2` and `libtensorflow_framework.so.2`. */
  readonly hasLibrary: boolean;
  /** Of its C interface. */
  readonly hasHeaders: boolean;
  /** Folders of the CUDA libraries that the nvidia-* wheels beside it brought. */
  readonly libraries: readonly string[];
}

export interface PythonSurvey {
  readonly path: string;
  readonly version: string;
  readonly tensorflow: PythonTensorflow | undefined;
}

export interface Survey {
  readonly platform: NodeJS.Platform;
  /** `process.arch` */
  readonly architecture: string;
  readonly node: PlainNode | undefined;
  /** The program and arguments that start npm. */
  readonly npm: readonly string[] | undefined;
  /** A C++ compiler. */
  readonly compiler: string | undefined;
  /** Or why there is none, in a sentence. */
  readonly python: PythonSurvey | string;
  /** Names of NVIDIA's GPUs, by its driver. */
  readonly nvidia: readonly string[];
  /** There is a graphics processor of some make. */
  readonly graphics: boolean;
  /** What works now. */
  readonly devices: DevicesResult;
}

export interface SurveyOptions {
  /** Interpreter or environment; by default found as for a PyTorch task. */
  readonly python?: string | undefined;
  /** The project, whose packages count. */
  readonly directory: string;
  readonly signal?: AbortSignal;
  readonly onLog?: (level: 'debug' | 'info' | 'warn' | 'error', text: string) => void;
  readonly computePath?: string;
}

const run = promisify(execFile);
/** A Python on a network disk may take seconds to start. */
const ANSWER_MS = 30_000;

export async function takeSurvey(options: SurveyOptions): Promise<Survey> {
  const { directory, signal, onLog, computePath } = options;
  throwIfAborted(signal);
  const node = await plainNode();
  const [python, nvidia, devices] = await Promise.all([
    askPython(options),
    nvidiaGpus(signal),
    runJob(
      'devices',
      {},
      {
        cwd: directory,
        ...(signal === undefined ? {} : { signal }),
        // What is found out is in the answer; what libraries print on the way is for the log.
        onLog: (level, text) => onLog?.(level === 'error' ? level : 'debug', text),
        ...(computePath === undefined ? {} : { computePath }),
      },
    ),
  ]);
  return {
    platform: process.platform,
    architecture: process.arch,
    node,
    npm: node === undefined ? undefined : findNpm(node.path),
    compiler: findProgram([process.env['CXX'] ?? '', 'g++', 'c++', 'clang++']),
    python,
    nvidia,
    graphics: nvidia.length > 0 || process.platform !== 'linux' || hasRenderNode(),
    devices,
  };
}

/**
 * Looks where TensorFlow is without importing it, which would take seconds and print. The current folder is no place to
 * look: a folder there may have its name.
 */
const PROBE = `
import sys
sys.path[:] = [entry for entry in sys.path if entry != '']
import glob, importlib.metadata, importlib.util, json, os, re
answer = {'version': '.'.join(map(str, sys.version_info[:3])), 'tensorflow': None}
spec = importlib.util.find_spec('tensorflow')
if spec is not None and spec.origin is not None:
    folder = os.path.dirname(spec.origin)
    version = ''
    for name in ('tensorflow', 'tensorflow-cpu', 'tensorflow-gpu', 'tensorflow-intel', 'tf-nightly', 'tf-nightly-cpu'):
        try:
            version = importlib.metadata.version(name)
            break
        except importlib.metadata.PackageNotFoundError:
            pass
    try:
        with open(os.path.join(folder, 'python', 'platform', 'build_info.py')) as file:
            built = file.read()
    except OSError:
        built = ''
    cuda = None
    if re.search(r"'is_cuda_build', True|'is_cuda_build': True", built):
        found = re.search(r"'cuda_version'[,:] '([^']*)'", built)
        cuda = found.group(1) if found else ''
    libraries = ('libtensorflow_cc.so.2', 'libtensorflow_framework.so.2')
    answer['tensorflow'] = {
        'version': version,
        'directory': folder,
        'cuda': cuda,
        'hasLibrary': all(os.path.exists(os.path.join(folder, name)) for name in libraries),
        'hasHeaders': os.path.exists(os.path.join(folder, 'include', 'tensorflow', 'c', 'c_api.h')),
        'libraries': sorted(glob.glob(os.path.join(os.path.dirname(folder), 'nvidia', '*', 'lib'))),
    }
print(json.dumps(answer))
`;

async function askPython({ python, directory, signal }: SurveyOptions): Promise<PythonSurvey | string> {
  try {
    const { path: interpreter } = findPython(python, directory);
    const { stdout } = await run(interpreter, ['-c', PROBE], {
      cwd: os.tmpdir(),
      timeout: ANSWER_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    return { path: interpreter, ...parseAnswer(stdout) };
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof TwaError) return error.message;
    const message = error instanceof Error ? error.message : String(error);
    return `Python does not answer: ${message.trim().split('\n').at(-1) ?? ''}`;
  }
}

/** What the probe printed last: an interpreter may greet first. */
export function parseAnswer(stdout: string): Omit<PythonSurvey, 'path'> {
  const answer = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
    version: string;
    tensorflow: (Omit<PythonTensorflow, 'cuda'> & { cuda: string | null }) | null;
  };
  const { version, tensorflow } = answer;
  if (tensorflow === null) return { version, tensorflow: undefined };
  return { version, tensorflow: { ...tensorflow, cuda: tensorflow.cuda ?? undefined } };
}

async function nvidiaGpus(signal: AbortSignal | undefined): Promise<readonly string[]> {
  try {
    const { stdout } = await run('nvidia-smi', ['--query-gpu=name', '--format=csv,noheader'], {
      timeout: ANSWER_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    return stdout.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
  } catch {
    return [];
  }
}

function hasRenderNode(): boolean {
  try {
    return readdirSync('/dev/dri').some((name) => name.startsWith('renderD'));
  } catch {
    return false;
  }
}

/** npm is a script of the Node beside it; a wrapper of another kind is started as it is. */
function findNpm(node: string): readonly string[] | undefined {
  const beside = path.dirname(node);
  const scripts = ['../lib/node_modules/npm/bin/npm-cli.js', 'node_modules/npm/bin/npm-cli.js'];
  const script = scripts.map((each) => path.resolve(beside, each)).find((each) => existsSync(each));
  if (script !== undefined) return [node, script];
  const program = findProgram(process.platform === 'win32' ? ['npm.exe'] : ['npm']);
  if (program === undefined) return undefined;
  const real = realpathSync(program);
  return real.endsWith('.js') ? [node, real] : [program];
}

function findProgram(names: readonly string[]): string | undefined {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return names
    .filter((name) => name !== '')
    .flatMap((name) =>
      path.isAbsolute(name)
        ? [name]
        : folders.map((folder) => path.join(folder, name.endsWith(suffix) ? name : name + suffix)),
    )
    .find((file) => existsSync(file));
}
