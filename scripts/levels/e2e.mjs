import { rm } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { hasNativeParts, pack, packageExtension } from '../package.mjs';
import { nodeTests } from './node-test.mjs';

/** The real workbench, driven through a browser, with the packaged extension installed as a user would. */
export async function e2eLevel({ environment, temporary, output, torch }) {
  await rm(path.join(output, 'screenshots'), { recursive: true, force: true });
  const { vsix } = await packageExtension(environment);
  const platform = `${process.platform}-${process.arch}`;
  const native = hasNativeParts(platform) ? (await pack(platform, environment)).vsix : undefined;
  const { python } = await torch;
  return nodeTests({
    pattern: 'test/e2e/**/*.test.ts',
    environment: {
      ...environment,
      TWA_VSIX: vsix,
      ...(native === undefined ? {} : { TWA_PLATFORM_VSIX: native }),
      ...(python === undefined ? {} : { TWA_PYTHON: python }),
    },
    temporary,
    testTimeout: 240_000,
    timeout: 1_200_000,
    concurrency: 1,
  });
}
