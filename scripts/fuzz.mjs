// `npm run fuzz`: see test/fuzz/run.ts, which runs on Node 24.
import process from 'node:process';
import { run } from './processes.mjs';
import { ensureDependencies, ensureNode, environmentWith, root } from './tools.mjs';

await ensureDependencies();
const env = environmentWith(await ensureNode());
const { code } = await run('node', ['test/fuzz/run.ts', ...process.argv.slice(2)], { cwd: root, env });
process.exitCode = code;
