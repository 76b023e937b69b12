/**
 * Runs the tests of this folder inside a real extension host: that of VSCODE_EXECUTABLE, else of a VS Code downloaded
 * for the purpose where there is a screen and a network, else of the stand-in.
 */
import { downloadAndUnzipVSCode, runTests, SilentReporter } from '@vscode/test-electron';
import { build } from 'esbuild';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeWorkspace } from '../workspace.ts';

const root = path.resolve(import.meta.dirname, '../..');
const bundles = path.join(root, 'test-output/host');

await rm(bundles, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: ['test/host/index.ts', 'test/host/*.test.ts'],
  outdir: bundles,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  external: ['vscode', 'mocha'],
  sourcemap: 'inline',
  logLevel: 'warning',
});

const folder = await mkdtemp(path.join(tmpdir(), 'twa-host-'));
const workspace = path.join(folder, 'workspace');
const example = path.join(folder, 'example');
try {
  await mkdir(workspace);
  await makeWorkspace(example, 4);
  await runTests({
    vscodeExecutablePath: await editor(),
    // The second one uses the API of the first.
    extensionDevelopmentPath: [root, path.join(root, 'examples/api-extension')],
    extensionTestsPath: path.join(bundles, 'index.cjs'),
    extensionTestsEnv: { TWA_TEST_EXAMPLE: example },
    launchArgs: [
      workspace,
      `--user-data-dir=${path.join(folder, 'user-data')}`,
      `--extensions-dir=${path.join(folder, 'extensions')}`,
    ],
  });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function editor(): Promise<string> {
  const given = process.env['VSCODE_EXECUTABLE'];
  if (given !== undefined && given !== '') return given;
  const standIn = path.join(import.meta.dirname, 'stand-in/code');
  const screen = process.env['DISPLAY'] ?? process.env['WAYLAND_DISPLAY'];
  if (process.platform === 'linux' && screen === undefined) return standIn;
  try {
    // The timeout is for the network to answer at all, not for the whole download.
    return await downloadAndUnzipVSCode({
      cachePath: path.join(root, '.tools/vscode'),
      extensionDevelopmentPath: root,
      reporter: new SilentReporter(),
      timeout: 5000,
    });
  } catch {
    return standIn;
  }
}
