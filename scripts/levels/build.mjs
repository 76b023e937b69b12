import { run } from '../processes.mjs';
import { root } from '../tools.mjs';

let built;

/** Bundles the extension as developers run it, once. Throws what the bundler said. */
export function buildExtension(environment) {
  built ??= build(environment);
  return built;
}

async function build(env) {
  const { code, output } = await run('node', ['scripts/build.mjs'], { cwd: root, env, quiet: true });
  if (code !== 0) throw new Error(`The extension could not be built.\n${output}`);
}
