// `npm run package`: a minified build, packed into a .vsix as a user installs it. Nothing of node_modules goes in:
// the bundles in dist/ hold what they need.
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { run } from './processes.mjs';
import { ensureDependencies, root } from './tools.mjs';

/**
 * @param {NodeJS.ProcessEnv} [environment]
 * @returns {Promise<{ vsix: string, bytes: number }>}
 */
export async function packageExtension(environment = process.env) {
  const { name, version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  const vsix = path.join(root, `${name}-${version}.vsix`);
  await step('node', ['scripts/build.mjs', '--minify'], environment);
  await step(
    path.join(root, 'node_modules', '.bin', 'vsce'),
    [
      'package',
      '--no-dependencies',
      '--allow-missing-repository',
      '--no-rewrite-relative-links',
      '--out',
      vsix,
    ],
    environment,
  );
  return { vsix, bytes: (await stat(vsix)).size };
}

async function step(command, args, env) {
  const { code, output } = await run(command, args, { cwd: root, env, quiet: true });
  if (code !== 0) throw new Error(`${path.basename(command)} ${args[0]} failed.\n${output}`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await ensureDependencies();
  const { vsix, bytes } = await packageExtension();
  console.log(`${path.relative(root, vsix)}: ${(bytes / 2 ** 20).toFixed(2)} MiB`);
}
