// `node bench/curves-workbench.mjs [N]`: learning curves as a user meets them, with the packaged extension in a real
// workbench (code-server and headless Chromium): one CSV log with 10 series of N points (500,000 by default). From the
// command until the page is there, until all lines are drawn, until all points are there; then from a row that is
// written to the log until the page shows it.
import process from 'node:process';
import { packageExtension } from '../scripts/package.mjs';
import { run } from '../scripts/processes.mjs';
import {
  ensureChromium,
  ensureCodeServer,
  ensureDependencies,
  ensureNode,
  environmentWith,
  root,
} from '../scripts/tools.mjs';

await ensureDependencies();
const environment = environmentWith(await ensureNode());
const { vsix } = await packageExtension(environment);
const { code } = await run('node', ['bench/curves-workbench/measure.ts', ...process.argv.slice(2)], {
  cwd: root,
  env: {
    ...environment,
    TWA_VSIX: vsix,
    TWA_CODE_SERVER: await ensureCodeServer(),
    TWA_CHROMIUM: await ensureChromium(),
  },
});
process.exitCode = code;
