// `npm run package [target…]`: a minified build, packed into .vsix files as users install them: a universal one without
// native parts, and one for each platform whose native parts are there, which carries those of no other platform.
// `universal` or a platform (`linux-x64`) makes only that. Beside the bundles in dist/ nothing of node_modules goes in,
// but for the `webgpu` package (Dawn) of the platform.
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { run } from './processes.mjs';
import { ensureDependencies, root } from './tools.mjs';

/** What VS Code calls a platform, and what the `webgpu` package does. */
const PLATFORMS = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'win32-x64': 'win32-x64',
  'win32-arm64': 'win32-arm64',
  'darwin-x64': 'darwin-universal',
  'darwin-arm64': 'darwin-universal',
};
export const TARGETS = ['universal', ...Object.keys(PLATFORMS)];

/** What a universal package may weigh: it is fetched by everybody, and over slow lines to remote machines. */
const UNIVERSAL_LIMIT = 6 * 2 ** 20;

const dawn = path.join(root, 'node_modules', 'webgpu');
/** Found from dist/compute.mjs as any package is. */
const packedDawn = path.join(root, 'dist', 'node_modules', 'webgpu');

/**
 * The universal package.
 * @param {NodeJS.ProcessEnv} [environment]
 * @returns {Promise<{ vsix: string, bytes: number }>}
 */
export async function packageExtension(environment = process.env) {
  await step('node', ['scripts/build.mjs', '--minify'], environment);
  return pack('universal', environment);
}

/** Whether the native parts that a target's package carries are here. */
export const hasNativeParts = (target) => existsSync(path.join(dawn, 'dist', PLATFORMS[target], 'dawn.node'));

/**
 * The package of a target, from the bundles that are there.
 * @param {string} target
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Promise<{ vsix: string, bytes: number }>}
 */
export async function pack(target, environment) {
  const { name, version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  const universal = target === 'universal';
  const vsix = path.join(root, `${name}-${version}${universal ? '' : `-${target}`}.vsix`);
  await rm(path.dirname(packedDawn), { recursive: true, force: true });
  if (!universal) await copyDawn(PLATFORMS[target]);
  try {
    await step(
      path.join(root, 'node_modules', '.bin', 'vsce'),
      [
        'package',
        ...(universal ? [] : ['--target', target]),
        '--no-dependencies',
        '--allow-missing-repository',
        '--no-rewrite-relative-links',
        '--out',
        vsix,
      ],
      environment,
    );
  } finally {
    // A build that is used in place finds the package in the project.
    await rm(path.dirname(packedDawn), { recursive: true, force: true });
  }
  const { size: bytes } = await stat(vsix);
  if (universal && bytes > UNIVERSAL_LIMIT) {
    throw new Error(
      `The universal package has ${mebibytes(bytes)}: over ${mebibytes(UNIVERSAL_LIMIT)} something went in that should not.`,
    );
  }
  return { vsix, bytes };
}

/** What runs the binding on one platform, with its licences. */
async function copyDawn(platform) {
  for (const name of ['package.json', 'index.js', 'LICENSE.md']) {
    await mkdir(packedDawn, { recursive: true });
    await cp(path.join(dawn, name), path.join(packedDawn, name));
  }
  await cp(path.join(dawn, 'dist', platform), path.join(packedDawn, 'dist', platform), { recursive: true });
}

async function step(command, args, env) {
  const { code, output } = await run(command, args, { cwd: root, env, quiet: true });
  if (code !== 0) throw new Error(`${path.basename(command)} ${args[0]} failed.\n${output}`);
}

const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(2)} MiB`;

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const asked = process.argv.slice(2);
  const unknown = asked.filter((target) => !TARGETS.includes(target));
  if (unknown.length > 0) {
    console.error(`No such package: ${unknown.join(', ')}. There are ${TARGETS.join(', ')}.`);
    process.exit(2);
  }
  await ensureDependencies();
  await step('node', ['scripts/build.mjs', '--minify'], process.env);
  for (const target of asked.length > 0 ? asked : TARGETS) {
    if (target !== 'universal' && !hasNativeParts(target)) {
      console.log(`${target}: no native parts here, so the universal package is the one for it.`);
      continue;
    }
    const { vsix, bytes } = await pack(target, process.env);
    console.log(`${path.relative(root, vsix)}: ${mebibytes(bytes)}`);
  }
}
