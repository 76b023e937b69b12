import path from 'node:path';
import { run } from '../processes.mjs';
import { root } from '../tools.mjs';
import { readSummary } from './summary.mjs';

/**
 * Runs test files with Node's own test runner.
 * @param {object} options
 * @param {string} options.pattern
 * @param {NodeJS.ProcessEnv} options.environment
 * @param {string} options.temporary A folder for the results.
 * @param {number} options.testTimeout Milliseconds that one test, and one file, may take.
 * @param {number} options.timeout Milliseconds for all.
 * @param {number} options.concurrency Files at once.
 */
export async function nodeTests({ pattern, environment, temporary, testTimeout, timeout, concurrency }) {
  const file = path.join(temporary, 'node-test.json');
  const ended = await run(
    'node',
    [
      '--test',
      `--test-reporter=${path.join(root, 'scripts', 'test-reporter.mjs')}`,
      `--test-timeout=${testTimeout}`,
      `--test-concurrency=${concurrency}`,
      pattern,
    ],
    { cwd: root, env: { ...environment, TWA_TEST_SUMMARY: file }, quiet: true, timeout },
  );
  return readSummary(file, ended);
}
