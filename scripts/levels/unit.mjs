import { nodeTests } from './node-test.mjs';

/** The pure core and everything else that needs no editor. */
export function unitLevel({ environment, temporary }) {
  return nodeTests({
    pattern: 'test/unit/**/*.test.ts',
    environment,
    temporary,
    testTimeout: 120_000,
    timeout: 600_000,
  });
}
