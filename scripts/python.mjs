// A Python with PyTorch, for the tests and the PyTorch demo. The project itself needs neither: what cannot be brought
// here within its time is left out, by name. Plain JavaScript that runs on Node 20.
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { run } from './processes.mjs';
import { inPath, root } from './tools.mjs';

/**
 * Debian's package: 176 MB to fetch and 759 MB on disk beside Chromium. Measured on 2 cores with a fast mirror: 71 s at
 * a load of 4, 310 s at a load of 11 from a system with nothing on it.
 */
const PACKAGE = 'python3-torch';
/** What pip brings for macOS and Windows computes on the CPU, in some 200 MB. For Linux it would be 3 GB of CUDA. */
const WHEEL = '2.9.1';
/** Fetching may take this long and is then given up. Unpacking what is there is never cut short. */
const FETCH_MS = 240_000;

/**
 * @typedef {object} Torch
 * @property {string | undefined} python The interpreter that imports torch.
 * @property {string} note For people: the version, or why there is none.
 */

/**
 * Finds a Python that imports torch: `TWA_PYTHON` where that is set, one in PATH, or the one in `.tools`. Installs one
 * where there is none, by apt for root or where sudo asks nothing, else (not on Linux) by pip into `.tools`. `TWA_TORCH=off` installs
 * nothing. Never throws.
 * @returns {Promise<Torch>}
 */
export async function ensureTorch() {
  try {
    const given = process.env.TWA_PYTHON;
    if (given !== undefined && given !== '') {
      const version = await torchVersion(given);
      return version === undefined
        ? { python: undefined, note: `PyTorch: ${given} (TWA_PYTHON) does not import torch` }
        : found(given, version);
    }
    const there = await findTorch();
    if (there !== undefined) return there;
    if (process.env.TWA_TORCH === 'off') return { python: undefined, note: 'PyTorch: none (TWA_TORCH=off)' };
    const problem = (await canUseApt()) ? await installByApt() : await installByPip();
    return (await findTorch()) ?? { python: undefined, note: `PyTorch: none; ${problem}` };
  } catch (error) {
    return { python: undefined, note: `PyTorch: none; ${error instanceof Error ? error.message : error}` };
  }
}

async function findTorch() {
  const candidates = [inPath(['python3']), '/usr/bin/python3', pythonOf(environment)];
  for (const python of new Set(candidates)) {
    if (python === undefined || !existsSync(python)) continue;
    const version = await torchVersion(python);
    if (version !== undefined) return found(python, version);
  }
  return undefined;
}

const found = (python, version) => ({ python, note: `PyTorch ${version} by ${python}` });

/** Undefined where it cannot be imported. A first import reads hundreds of megabytes. */
async function torchVersion(python) {
  const { code, output } = await run(python, ['-c', 'import torch; print(torch.__version__)'], {
    quiet: true,
    timeout: 120_000,
  });
  return code === 0 ? output.trim().split('\n').at(-1) : undefined;
}

/** `sudo` in front of a command for those who are not root. */
const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];

async function canUseApt() {
  if (inPath(['apt-get']) === undefined) return false;
  return asRoot.length === 0 || (await run('sudo', ['-n', 'true'], { quiet: true })).code === 0;
}

/** @returns {Promise<string>} What went wrong, where something did. */
async function installByApt() {
  say(`Installing ${PACKAGE} (apt-get), for the tests with PyTorch.`);
  const apt = (args, timeout) => {
    const [command, ...rest] = [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args];
    return run(command, rest, { quiet: true, timeout });
  };
  const install = ['install', '-y', '--no-install-recommends', PACKAGE];
  const deadline = Date.now() + FETCH_MS;
  let fetched = await apt([...install, '--download-only'], FETCH_MS);
  if (fetched.code !== 0 && fetched.code !== 124) {
    // No package lists yet, or stale ones.
    await apt(['update'], deadline - Date.now());
    fetched = await apt([...install, '--download-only'], Math.max(1, deadline - Date.now()));
  }
  if (fetched.code === 124) return `apt-get fetched too slowly and was ended after ${FETCH_MS / 1000} s`;
  if (fetched.code !== 0) return `apt-get: ${lastLine(fetched.output)}`;
  // Killed half way through, it would leave a broken package database behind.
  const { code, output } = await apt([...install, '--no-download']);
  return code === 0 ? `${PACKAGE} was installed but cannot be imported` : `apt-get: ${lastLine(output)}`;
}

const environment = path.join(root, '.tools', `torch-${WHEEL}`);
const pythonOf = (folder) =>
  process.platform === 'win32'
    ? path.join(folder, 'Scripts', 'python.exe')
    : path.join(folder, 'bin', 'python');

/** @returns {Promise<string>} What went wrong, where something did. */
async function installByPip() {
  if (process.platform === 'linux') {
    return 'apt-get cannot be used; install PyTorch yourself and name its interpreter in TWA_PYTHON';
  }
  const python = inPath(process.platform === 'win32' ? ['python.exe'] : ['python3']);
  if (python === undefined) return 'there is neither apt-get that may be used nor Python';
  say(`Installing PyTorch ${WHEEL} into .tools (pip), for the tests with it.`);
  // Virtual environments cannot be moved, so it is filled in its place.
  await rm(environment, { recursive: true, force: true });
  await mkdir(path.dirname(environment), { recursive: true });
  const made = await run(python, ['-m', 'venv', environment], { quiet: true, timeout: 60_000 });
  if (made.code !== 0) return `${python} -m venv: ${lastLine(made.output)}`;
  const wanted = [`torch==${WHEEL}`, 'numpy'];
  const { code, output } = await run(pythonOf(environment), ['-m', 'pip', 'install', '-q', ...wanted], {
    quiet: true,
    timeout: FETCH_MS,
  });
  if (code === 0) return 'pip installed PyTorch, but it cannot be imported';
  await rm(environment, { recursive: true, force: true });
  return code === 124 ? `pip was ended after ${FETCH_MS / 1000} s` : `pip: ${lastLine(output)}`;
}

const lastLine = (output) => output.trim().split('\n').at(-1) ?? '';
const say = (text) => process.stderr.write(`${text}\n`);
