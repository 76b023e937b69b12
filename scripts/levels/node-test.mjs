import { rm } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../processes.mjs';
import { root } from '../tools.mjs';
import { readSummary } from './summary.mjs';

/** More files than these with failures are not the moods of a busy machine. */
const MOST_AGAIN = 4;

/**
 * Runs test files with Node's own test runner. Few files with failures run once more, one at a time: what passes then
 * counts as passed, and a note tells what had failed, so that it is not taken for well.
 * @param {object} options
 * @param {string} options.pattern
 * @param {NodeJS.ProcessEnv} options.environment
 * @param {string} options.temporary A folder for the results.
 * @param {number} options.testTimeout Milliseconds that one test, and one file, may take.
 * @param {number} options.timeout Milliseconds for all.
 * @param {number} options.concurrency Files at once.
 */
export async function nodeTests({ pattern, concurrency, ...options }) {
  const first = await runFiles([pattern], concurrency, options);
  const failing = first.failing ?? [];
  if (failing.length === 0 || failing.length > MOST_AGAIN) return first;
  const second = await runFiles(failing, 1, options);
  const still = new Set(second.failures.map(firstLine));
  const recovered = first.failures.filter((text) => !still.has(firstLine(text)));
  return {
    ...first,
    passed: first.passed + first.failed - second.failed,
    failed: second.failed,
    failures: second.failures,
    notes: [...first.notes, ...recovered.map((text) => `passed only at the second try: ${text}`)],
  };
}

async function runFiles(files, concurrency, { environment, temporary, testTimeout, timeout }) {
  const summary = path.join(temporary, 'node-test.json');
  await rm(summary, { force: true });
  const ended = await run(
    'node',
    [
      '--test',
      `--test-reporter=${path.join(root, 'scripts', 'test-reporter.mjs')}`,
      `--test-timeout=${testTimeout}`,
      `--test-concurrency=${concurrency}`,
      ...files,
    ],
    { cwd: root, env: { ...environment, TWA_TEST_SUMMARY: summary }, quiet: true, timeout },
  );
  return readSummary(summary, ended);
}

const firstLine = (text) => text.split('\n', 1)[0];
