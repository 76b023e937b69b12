// Bundles the programs into dist/: the extension host's, the compute process's, the CLI's, the webviews' and the
// example's training.
// `--watch` rebuilds on change, `--minify` is for packaging, `--only=webview` (or a name below) builds just that.
import { context } from 'esbuild';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const watch = process.argv.includes('--watch');
const minify = process.argv.includes('--minify');
const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length);
const require = createRequire(import.meta.url);

const common = {
  absWorkingDir: root,
  bundle: true,
  sourcemap: minify ? false : 'linked',
  minify,
  logLevel: 'warning',
  legalComments: 'none',
  metafile: true,
};
// Bundled CommonJS dependencies still call require() for Node's own modules, and tfjs's wasm loader asks for __dirname.
const requireInEsm = {
  js:
    "import { createRequire as __createRequire } from 'node:module'; " +
    'const require = __createRequire(import.meta.url); const __dirname = import.meta.dirname;',
};

const builds = [
  {
    ...common,
    // In parts: what a window does not need at its start is neither read nor compiled then.
    entryPoints: { extension: 'src/extension/extension.ts' },
    outdir: 'dist/extension',
    outExtension: { '.js': '.mjs' },
    platform: 'node',
    format: 'esm',
    splitting: true,
    target: 'node22',
    external: ['vscode'],
    // jsonc-parser's main is a UMD module, whose own require() calls no bundler can follow.
    mainFields: ['module', 'main'],
    banner: requireInEsm,
  },
  {
    ...common,
    entryPoints: {
      compute: 'src/compute/main.ts',
      'row-thread': 'src/compute/objective/row-thread.ts',
      cli: 'src/cli/main.ts',
      'train-example': 'examples/digits/train.ts',
    },
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // tfjs's node builds leave out gradients; its module builds have them.
    mainFields: ['module', 'main'],
    banner: requireInEsm,
    external: ['@tensorflow/tfjs-node', '@tensorflow/tfjs-node-gpu', 'webgpu'],
  },
  {
    ...common,
    entryPoints: {
      curves: 'webview/curves/main.ts',
      result: 'webview/result/main.ts',
      tensors: 'webview/tensors/main.ts',
    },
    outdir: 'dist/webview',
    platform: 'browser',
    format: 'iife',
    target: 'chrome128',
    tsconfig: 'webview/tsconfig.json',
  },
];

async function copyWasm() {
  const from = path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json'));
  const to = path.join(root, 'dist', 'wasm');
  await mkdir(to, { recursive: true });
  const files = (await readdir(path.join(from, 'dist'))).filter((name) => name.endsWith('.wasm'));
  for (const name of files) await cp(path.join(from, 'dist', name), path.join(to, name));
}

/** What runs in the user's own interpreter. */
async function copyPython() {
  const to = path.join(root, 'dist', 'python');
  await rm(to, { recursive: true, force: true });
  await cp(path.join(root, 'python'), to, {
    recursive: true,
    filter: (from) => path.basename(from) !== '__pycache__',
  });
}

/** What "Open the Example" copies: a project as a user would have it, and no part of ours. */
async function copyExample() {
  const from = path.join(root, 'examples', 'digits');
  const to = path.join(root, 'dist', 'example');
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  for (const name of ['README.md', 'data']) {
    await cp(path.join(from, name), path.join(to, name), { recursive: true });
  }
  const task = await readFile(path.join(from, 'twa.json'), 'utf8');
  // The installed extension brings the schema.
  await writeFile(path.join(to, 'twa.json'), task.replace(/\n *"\$schema":.*/, ''));
}

/** A build is named by its output folder's last part, or by an entry of it: webview, extension, compute, cli. */
const wanted = builds.filter(
  ({ entryPoints, outdir }) => only === undefined || only in entryPoints || path.basename(outdir) === only,
);
// Parts have names by their content: those of earlier builds would stay.
if (wanted.some(({ splitting }) => splitting)) {
  await rm(path.join(root, 'dist', 'extension'), { recursive: true, force: true });
}
const contexts = await Promise.all(wanted.map((options) => context(options)));
await copyWasm();
await copyPython();
await copyExample();
if (watch) {
  await Promise.all(contexts.map((build) => build.watch()));
} else {
  await Promise.all(contexts.map((build) => build.rebuild()));
  await Promise.all(contexts.map((build) => build.dispose()));
}
