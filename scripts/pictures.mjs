// `npm run pictures`: takes the pictures of the README again, from the packaged extension in a real workbench.
import process from 'node:process';
import { packageExtension } from './package.mjs';
import { run } from './processes.mjs';
import {
  ensureChromium,
  ensureCodeServer,
  ensureDependencies,
  ensureNode,
  environmentWith,
  root,
} from './tools.mjs';

try {
  await ensureDependencies();
  const environment = environmentWith(await ensureNode());
  const { vsix } = await packageExtension(environment);
  const { code } = await run('node', ['scripts/pictures.ts'], {
    cwd: root,
    env: {
      ...environment,
      TWA_VSIX: vsix,
      TWA_CODE_SERVER: await ensureCodeServer(),
      TWA_CHROMIUM: await ensureChromium(),
    },
  });
  if (code !== 0) throw new Error(`node scripts/pictures.ts ended with code ${code}.`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
