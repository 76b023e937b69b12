import process from 'node:process';
import { packageExtension } from '../package.mjs';
import { run } from '../processes.mjs';
import {
  ensureChromium,
  ensureCodeServer,
  ensureDependencies,
  ensureNode,
  environmentWith,
  root,
} from '../tools.mjs';

/** Runs a program that opens the packaged extension in a real workbench; this process then ends as it did. */
export async function runInWorkbench(program, args = process.argv.slice(2)) {
  try {
    await ensureDependencies();
    const environment = environmentWith(await ensureNode());
    const { vsix } = await packageExtension(environment);
    const { code } = await run('node', [program, ...args], {
      cwd: root,
      env: {
        ...environment,
        TWA_VSIX: vsix,
        TWA_CODE_SERVER: await ensureCodeServer(),
        TWA_CHROMIUM: await ensureChromium(),
      },
    });
    if (code !== 0) throw new Error(`node ${program} ended with code ${code}.`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
