/**
 * Our own directory on this machine: the packages that "Set Up GPU" installed or built, one folder each. Everything in
 * it can be made again, so it lies where caches do.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** What can be set up: a folder of that name each. */
export const ROUTES = ['wheel', 'webgpu', 'tfjs-node'] as const;
export type RouteName = (typeof ROUTES)[number];

/** `TWA_HOME`, else `twa` in the user's folder for caches. */
export function homeDirectory(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
  user: string = os.homedir(),
): string {
  const given = environment['TWA_HOME'];
  if (given !== undefined && given !== '') return path.resolve(given);
  const caches =
    platform === 'win32'
      ? (environment['LOCALAPPDATA'] ?? path.join(user, 'AppData', 'Local'))
      : platform === 'darwin'
        ? path.join(user, 'Library', 'Caches')
        : (environment['XDG_CACHE_HOME'] ?? path.join(user, '.cache'));
  return path.join(caches, 'twa');
}

export function routeDirectory(route: RouteName): string {
  return path.join(homeDirectory(), route);
}

/** Directories with node_modules of ours, whether they are there or not. The user's TensorFlow comes before an older one. */
export function managedRoots(): readonly string[] {
  return ROUTES.map(routeDirectory);
}

/** What was set up, beside its node_modules: written last, when it has proved itself. */
export interface SetupRecord {
  readonly route: RouteName;
  /** "TensorFlow 2.21.0 through @tensorflow/tfjs-node, CPU": what it ran on when it was examined. */
  readonly detail: string;
  /** Folders of shared libraries that must be found when the compute process starts. */
  readonly libraries: readonly string[];
}

export const RECORD = 'setup.json';

/** Undefined where nothing is set up, or something that this version does not know. */
export function readRecord(route: RouteName): SetupRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(path.join(routeDirectory(route), RECORD), 'utf8')) as unknown;
    return isRecord(record) && record.route === route ? record : undefined;
  } catch {
    return undefined;
  }
}

/** The environment of the compute process: with the folders of shared libraries that what is set up needs. */
export function withLibraries(
  environment: NodeJS.ProcessEnv,
  libraries: readonly string[] = ROUTES.flatMap((route) => readRecord(route)?.libraries ?? []),
): NodeJS.ProcessEnv {
  if (process.platform !== 'linux' || libraries.length === 0) return environment;
  const before = environment['LD_LIBRARY_PATH'];
  // The user's own first: what they chose stays chosen.
  const all = [...(before === undefined || before === '' ? [] : [before]), ...libraries];
  return { ...environment, LD_LIBRARY_PATH: all.join(path.delimiter) };
}

function isRecord(value: unknown): value is SetupRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { route, detail, libraries } = value as Record<string, unknown>;
  return (
    ROUTES.some((known) => known === route) &&
    typeof detail === 'string' &&
    Array.isArray(libraries) &&
    libraries.every((folder) => typeof folder === 'string')
  );
}
