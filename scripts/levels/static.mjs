import { run } from '../processes.mjs';
import { root } from '../tools.mjs';
import { failure, success, total } from './summary.mjs';

const CHECKS = {
  prettier: ['--check', '--log-level=warn', '.'],
  eslint: ['--max-warnings=0', '.'],
  'tsc -p .': ['-p', '.'],
  'tsc -p webview': ['-p', 'webview'],
  // The API's types, as another extension uses them.
  'tsc -p examples': ['-p', 'examples/api-extension/jsconfig.json'],
};

/** Format, lint and types. Each check counts as one test. */
export async function staticLevel({ environment }) {
  const outcomes = Object.entries(CHECKS).map(async ([name, args]) => {
    const [program] = name.split(' ');
    const { code, output } = await run(`node_modules/.bin/${program}`, args, {
      cwd: root,
      env: environment,
      quiet: true,
    });
    return code === 0 ? success : failure(`${name}\n${output}`);
  });
  return total(await Promise.all(outcomes));
}
