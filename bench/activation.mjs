// `node bench/activation.mjs [N]`: how long the extension takes to load and activate, as an installed .vsix in the real
// extension host, which is started anew each time (N times, 7 by default). The first start after an install has no
// compiled code in the host's cache; each start here is such a first one, the slowest a user meets.
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
const { code } = await run('node', ['bench/activation/measure.ts', ...process.argv.slice(2)], {
  cwd: root,
  env: {
    ...environment,
    TWA_VSIX: vsix,
    TWA_CODE_SERVER: await ensureCodeServer(),
    TWA_CHROMIUM: await ensureChromium(),
  },
});
process.exitCode = code;
