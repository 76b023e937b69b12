import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../processes.mjs';
import { root } from '../tools.mjs';
import { buildExtension } from './build.mjs';
import { readSummary } from './summary.mjs';

/** Mocha inside a real extension host, over the extension as it is built. */
export async function hostLevel({ environment, temporary, output }) {
  await buildExtension(environment);
  const file = path.join(temporary, 'host.json');
  const ended = await run('node', ['test/host/run.ts'], {
    cwd: root,
    env: { ...environment, TWA_TEST_SUMMARY: file },
    quiet: true,
    timeout: 600_000,
  });
  // The editor's own log, chatty even when all is well.
  await writeFile(path.join(output, 'host.log'), ended.output);
  return readSummary(file, ended);
}
