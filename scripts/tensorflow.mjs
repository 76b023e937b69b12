// TensorFlow's kernels for the tests: where a Python imports tensorflow, the project's own "Set Up GPU" builds the
// binding against it, once, into `.tools`. No TensorFlow is installed, and that Python stays as it is. Plain JavaScript
// that runs on Node 20.
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { run } from './processes.mjs';
import { inPath, root } from './tools.mjs';

const home = path.join(root, '.tools', 'tensorflow');
/** 20 s on 2 cores, most of it the compiler's; npm may be slow. */
const LIMIT_MS = 240_000;

/**
 * Needs what `npm run build` makes. Never throws.
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Promise<{ directory: string | undefined, note: string }>} Whose node_modules have it; for people: the
 *   version, or why there is none.
 */
export async function ensureTensorflow(environment) {
  const given = process.env.TWA_TENSORFLOW_ROOT;
  if (given !== undefined && given !== '') return { directory: given, note: `TensorFlow: that in ${given}` };
  const none = (why) => ({ directory: undefined, note: `TensorFlow: none; ${why}` });
  const python = await findPython();
  if (python === undefined) return none('name a Python that imports it in TWA_TENSORFLOW_PYTHON');
  await mkdir(home, { recursive: true });
  const twa = (...args) =>
    run('node', [path.join(root, 'dist', 'cli.mjs'), ...args], {
      cwd: home,
      env: { ...environment, TWA_HOME: home },
      quiet: true,
      timeout: LIMIT_MS,
    });
  const working = /tensorflow +works .* (TensorFlow \S+) through/;
  let version = working.exec((await twa('devices')).output)?.[1];
  if (version === undefined) {
    const { code, output } = await twa('setup-gpu', '--route', 'wheel', '--python', python, '--yes');
    if (code !== 0) return none(output.trim().split('\n').at(-1) ?? '');
    version = working.exec((await twa('devices')).output)?.[1];
    if (version === undefined) return none('it was set up and does not work');
  }
  return { directory: path.join(home, 'wheel'), note: `${version} by ${python}` };
}

/** The first that has the package; importing it would take seconds. */
async function findPython() {
  const candidates = [process.env.TWA_TENSORFLOW_PYTHON, process.env.TWA_PYTHON, inPath(['python3'])];
  const probe = 'import importlib.util as u; raise SystemExit(u.find_spec("tensorflow") is None)';
  for (const python of candidates) {
    if (python === undefined || python === '') continue;
    if ((await run(python, ['-c', probe], { quiet: true, timeout: 60_000 })).code === 0) return python;
  }
  return undefined;
}
