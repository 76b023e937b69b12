// `npm run demo` and `npm run demo:pytorch`: brings what the demo needs, builds, and runs scripts/demo.ts. Plain
// JavaScript that runs on Node 20.
import process from 'node:process';
import { run } from './processes.mjs';
import { ensureTorch } from './python.mjs';
import { ensureDependencies, ensureNode, environmentWith, root } from './tools.mjs';

try {
  await ensureDependencies();
  const environment = environmentWith(await ensureNode());
  const examples = process.argv.slice(2);
  if (examples.includes('pytorch')) {
    const { python, note } = await ensureTorch();
    if (python === undefined) throw new Error(`${note}. TWA_PYTHON can name a Python that imports torch.`);
    console.log(note);
    environment.TWA_PYTHON = python;
  }
  for (const script of [['scripts/build.mjs'], ['scripts/demo.ts', ...examples]]) {
    const { code } = await run('node', script, { cwd: root, env: environment });
    if (code !== 0) throw new Error(`node ${script.join(' ')} ended with code ${code}.`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
