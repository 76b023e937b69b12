/** The Python that loads what we wrote with its own frameworks. Where a module is not there, its tests say so. */
import { spawnSync } from 'node:child_process';

export const PYTHON = process.env['TWA_PYTHON'] ?? 'python3';
const known = new Map<string, boolean>();

/** Those that cannot be imported, with commas between; "" when all are there. */
export function missingModules(modules: readonly string[], python = PYTHON): string {
  const missing = modules.filter((name) => {
    // find_spec imports nothing, so it is quick.
    const code = `import importlib.util as u, sys; sys.exit(u.find_spec(${JSON.stringify(name)}) is None)`;
    const key = `${python} ${name}`;
    if (!known.has(key)) known.set(key, spawnSync(python, ['-c', code]).status === 0);
    return known.get(key) !== true;
  });
  return missing.join(', ');
}

/** For the options of a test. */
export function skipWithout(modules: readonly string[], python = PYTHON): { readonly skip: string | false } {
  const missing = missingModules(modules, python);
  return { skip: missing === '' ? false : `${missing} cannot be imported by ${python}` };
}
