// `npm run demo`: brings what the demo needs, builds, and runs scripts/demo.ts. Plain JavaScript that runs on Node 20.
import process from 'node:process';
import { run } from './processes.mjs';
import { ensureDependencies, ensureNode, environmentWith, root } from './tools.mjs';

try {
  await ensureDependencies();
  const environment = environmentWith(await ensureNode());
  for (const script of ['scripts/build.mjs', 'scripts/demo.ts']) {
    const { code } = await run('node', [script], { cwd: root, env: environment });
    if (code !== 0) throw new Error(`node ${script} ended with code ${code}.`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
