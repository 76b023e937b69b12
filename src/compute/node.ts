/**
 * The Node.js that the compute process runs on. VS Code's extension host on a desktop is Electron, whose own Node does
 * not let native code hand over memory (V8's sandbox): WebGPU can then not read anything back. A plain Node.js is
 * taken where there is one; everything but WebGPU works without.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

export interface PlainNode {
  readonly path: string;
  /** "24.1.0" */
  readonly version: string;
}

/** The oldest that is good enough: package.json's `engines`. */
const OLDEST = [20, 19] as const;
const run = promisify(execFile);

let found: Promise<PlainNode | undefined> | undefined;

/** The running one unless it is Electron's; else the first that will do, looked for once. Undefined: none. */
export function plainNode(): Promise<PlainNode | undefined> {
  if (process.versions['electron'] === undefined) {
    return Promise.resolve({ path: process.execPath, version: process.versions.node });
  }
  found ??= findNode(process.env);
  return found;
}

/** `TWA_NODE`, those in PATH, then where installers and version managers put them. */
export async function findNode(
  environment: NodeJS.ProcessEnv,
  user: string = os.homedir(),
): Promise<PlainNode | undefined> {
  for (const file of candidates(environment, user)) {
    const version = await versionOf(file);
    if (version !== undefined && isNewEnough(version)) return { path: file, version };
  }
  return undefined;
}

function candidates(environment: NodeJS.ProcessEnv, user: string): readonly string[] {
  const given = environment['TWA_NODE'];
  if (given !== undefined && given !== '') return [given];
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const folders = [
    ...(environment['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== ''),
    ...versionsIn(path.join(user, '.nvm', 'versions', 'node')),
    ...(process.platform === 'win32'
      ? [path.join(environment['ProgramFiles'] ?? 'C:\\Program Files', 'nodejs')]
      : ['/usr/local/bin', '/usr/bin', '/opt/homebrew/bin', path.join(user, '.volta', 'bin')]),
  ];
  return [...new Set(folders.map((folder) => path.join(folder, name)))].filter(isExecutable);
}

/** The `bin` of every version that nvm has installed, the newest first. */
function versionsIn(folder: string): readonly string[] {
  try {
    const numeric = new Intl.Collator('en', { numeric: true });
    return readdirSync(folder)
      .sort((a, b) => numeric.compare(b, a))
      .map((version) => path.join(folder, version, 'bin'));
  } catch {
    return [];
  }
}

/** Asks the program itself; undefined where it is none, or Electron under the name of Node. */
async function versionOf(file: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(file, ['-p', 'process.versions.electron ? "" : process.versions.node'], {
      timeout: 10_000,
    });
    return /^\d+\.\d+\.\d+/.exec(stdout.trim())?.[0];
  } catch {
    return undefined;
  }
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
