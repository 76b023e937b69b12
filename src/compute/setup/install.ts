/**
 * Carries a route out: everything happens in a folder of its own, which takes its place only when a real gradient has
 * been computed with it, in a process of its own. Whatever stops it before, nothing of it is left.
 */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { throwIfAborted, TwaError } from '../../core/errors.ts';
import { runJob } from '../client.ts';
import type { DeviceReport } from '../protocol.ts';
import { homeDirectory, RECORD, routeDirectory, type RouteName, type SetupRecord } from './home.ts';
import { BACKEND_OF, VERSIONS, wheelPackage, type Route } from './plan.ts';
import { runProgram } from './program.ts';
import type { Survey } from './survey.ts';

export interface InstallHooks {
  readonly signal: AbortSignal;
  /** Of the whole, 0..1, and what is done now. */
  readonly onProgress: (fraction: number, message: string) => void;
  /** What npm and the compiler print. */
  readonly onLog: (level: 'debug' | 'info' | 'warn' | 'error', text: string) => void;
  readonly computePath?: string;
}

interface Work extends InstallHooks {
  readonly survey: Survey;
  /** The folder to fill. */
  readonly folder: string;
}

/** Gives what the new backend runs on. Throws TwaError `no-backend`, with what a program said last as details. */
export async function install(route: Route, survey: Survey, hooks: InstallHooks): Promise<DeviceReport> {
  if (route.blocked !== undefined) throw new TwaError('no-backend', route.blocked);
  const { signal, onProgress } = hooks;
  const home = homeDirectory();
  const folder = path.join(home, `.partial-${route.name}-${process.pid}`);
  const old = path.join(home, `.old-${route.name}-${process.pid}`);
  const place = routeDirectory(route.name);
  await mkdir(home, { recursive: true });
  await removeAbandoned(home);
  try {
    await mkdir(folder);
    await writeFile(path.join(folder, 'package.json'), '{ "private": true }\n');
    await FILL[route.name]({ ...hooks, survey, folder });
    throwIfAborted(signal);

    onProgress(0.85, 'Checking gradients');
    const libraries = librariesOf(route.name, survey);
    const report = await examine(route.name, folder, libraries, hooks);
    const record: SetupRecord = { route: route.name, detail: report.detail, libraries };
    await writeFile(path.join(folder, RECORD), `${JSON.stringify(record, null, 2)}\n`);
    throwIfAborted(signal);
    await rename(place, old).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
    await rename(folder, place);
    onProgress(1, report.detail);
    return report;
  } finally {
    for (const leftover of [folder, old]) await rm(leftover, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Takes back what a route set up; gives whether there was something. */
export async function uninstall(route: RouteName): Promise<boolean> {
  const place = routeDirectory(route);
  const existed = await readdir(place).then(
    () => true,
    () => false,
  );
  await rm(place, { recursive: true, force: true, maxRetries: 3 });
  return existed;
}

const FILL: Readonly<Record<RouteName, (work: Work) => Promise<void>>> = {
  async wheel(work) {
    const { survey, folder, onProgress } = work;
    const { python, compiler } = survey;
    const tensorflow = typeof python === 'string' ? undefined : python.tensorflow;
    if (tensorflow === undefined || compiler === undefined) throw new Error('This route was blocked.');
    const name = wheelPackage(tensorflow);
    onProgress(0, `Downloading ${name}`);
    await npmInstall(work, [name, 'node-api-headers']);
    await removeSourceMaps(path.join(folder, 'node_modules'));

    onProgress(0.6, `Compiling against TensorFlow ${tensorflow.version}`);
    const package_ = path.join(folder, 'node_modules', name);
    const output = path.join(package_, 'lib', 'napi-v8');
    const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
    await mkdir(output, { recursive: true });
    await program(work, 'The compiler could not build the binding', [
      compiler,
      ...['-O2', '-std=c++17', '-fPIC', '-shared', '-DNAPI_VERSION=8', '-DBUILDING_NODE_EXTENSION'],
      `-I${path.join(folder, 'node_modules', 'node-api-headers', 'include')}`,
      `-I${path.join(tensorflow.directory, 'include')}`,
      `-I${path.join(package_, 'binding')}`,
      ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) => path.join(package_, 'binding', file)),
      '-o',
      path.join(output, 'tfjs_binding.node'),
      ...libraries.map((file) => path.join(tensorflow.directory, file)),
      `-Wl,-rpath,${tensorflow.directory}`,
    ]);
  },

  async webgpu(work) {
    work.onProgress(0, 'Downloading webgpu');
    await npmInstall(work, ['webgpu']);
    const { platform, architecture } = work.survey;
    const own = `${platform}-${platform === 'darwin' ? 'universal' : architecture}`;
    const binaries = path.join(work.folder, 'node_modules', 'webgpu', 'dist');
    for (const name of await readdir(binaries)) {
      if (name !== own) await rm(path.join(binaries, name), { recursive: true });
    }
  },

  async 'tfjs-node'(work) {
    work.onProgress(0, 'Downloading @tensorflow/tfjs-node');
    await npmInstall(work, ['@tensorflow/tfjs-node']);
    work.onProgress(0.4, 'Downloading TensorFlow 2.9');
    // Its install script, which was left out before: npm's own rules for those differ from version to version.
    await npm(work, ['rebuild', '@tensorflow/tfjs-node', '--ignore-scripts=false', '--foreground-scripts']);
    await removeSourceMaps(path.join(work.folder, 'node_modules'));
  },
};

function librariesOf(route: RouteName, { python }: Survey): readonly string[] {
  return route === 'wheel' && typeof python !== 'string' ? (python.tensorflow?.libraries ?? []) : [];
}

async function examine(
  route: RouteName,
  directory: string,
  libraries: readonly string[],
  { signal, onLog, computePath }: InstallHooks,
): Promise<DeviceReport> {
  const { devices } = await runJob(
    'devices',
    { only: { backend: BACKEND_OF[route], directory } },
    {
      signal,
      onLog: (level, text) => onLog(level === 'error' ? level : 'debug', text),
      libraries,
      ...(computePath === undefined ? {} : { computePath }),
    },
  );
  const report = devices[0];
  if (report?.usable === true) return report;
  throw new TwaError('no-backend', `What was built does not work, and was removed. ${report?.reason ?? ''}`);
}

/** Install scripts do not run: the two packages have none that is needed, and what is built is built here. */
async function npmInstall(work: Work, names: readonly (keyof typeof VERSIONS)[]): Promise<void> {
  const wanted = names.map((name) => `${name}@${VERSIONS[name]}`);
  await npm(work, ['install', '--ignore-scripts', ...wanted]);
}

async function npm(work: Work, args: readonly string[]): Promise<void> {
  const common = ['--prefix', work.folder, '--no-audit', '--no-fund', '--loglevel=error'];
  await program(work, 'npm could not install what is needed', [...work.survey.npm!, ...args, ...common]);
}

async function program(work: Work, failure: string, command: readonly string[]): Promise<void> {
  const { folder, signal, onLog } = work;
  onLog('debug', command.join(' '));
  const { code, output } = await runProgram(command, {
    cwd: folder,
    signal,
    onLine: (line) => onLog('debug', line),
  });
  throwIfAborted(signal);
  if (code === 0) return;
  const said = output.filter((line) => line.trim() !== '');
  throw new TwaError('no-backend', `${failure}: ${reasonIn(said)}`, { details: said.slice(-12) });
}

/** The line that says why; programs say much more around it. */
function reasonIn(lines: readonly string[]): string {
  const telling = lines.find((line) =>
    /\b(error|not found|no such file|ENOTFOUND|EACCES|ENOSPC)\b/i.test(line),
  );
  return (telling ?? lines.at(-1) ?? 'it says nothing').trim();
}

/** Two thirds of what npm brings. */
async function removeSourceMaps(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile() && entry.name.endsWith('.map')) await rm(path.join(entry.parentPath, entry.name));
  }
}

/** What a process that was killed left behind. */
async function removeAbandoned(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const owner = /^\.(?:partial|old)-.*-(\d+)$/.exec(name)?.[1];
    if (owner === undefined || isRunning(Number(owner))) continue;
    await rm(path.join(home, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
