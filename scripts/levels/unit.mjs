import { availableParallelism } from 'node:os';
import process from 'node:process';
import { ensureTensorflow } from '../tensorflow.mjs';
import { buildExtension } from './build.mjs';
import { nodeTests } from './node-test.mjs';

/** The pure core and everything else that needs no editor. The command and the compute process are tested as built. */
export async function unitLevel({ environment, temporary, torch }) {
  await buildExtension(environment);
  const [{ python, note }, tensorflow] = await Promise.all([torch, ensureTensorflow(environment)]);
  const summary = await nodeTests({
    pattern: 'test/unit/**/*.test.ts',
    environment: {
      ...environment,
      ...(python === undefined ? {} : { TWA_PYTHON: python }),
      // What started this: the machine's own, which may be older than the one that the tests run on.
      ...(Number.parseInt(process.versions.node) < 24 ? { TWA_OLD_NODE: process.execPath } : {}),
      ...(tensorflow.directory === undefined ? {} : { TWA_TENSORFLOW_ROOT: tensorflow.directory }),
    },
    temporary,
    testTimeout: 240_000,
    timeout: 1_200_000,
    concurrency: availableParallelism(),
  });
  return { ...summary, notes: [...summary.notes, note, tensorflow.note] };
}
