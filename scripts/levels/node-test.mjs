import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../processes.mjs';
import { root } from '../tools.mjs';
import { failure, problemOf, total } from './summary.mjs';

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
  const failing = Object.keys(first.files).filter((file) => first.files[file].failed > 0);
  // A run that ended badly for another reason than its tests is not a matter of moods.
  if (first.problem !== undefined || failing.length === 0 || failing.length > MOST_AGAIN)
    return summaryOf(first);
  const second = await runFiles(failing, 1, options);
  const recovered = failing.filter((file) => second.files[file]?.failed === 0);
  const notes = recovered
    .flatMap((file) => first.files[file].failures)
    .map((text) => `passed only at the second try: ${text}`);
  // One that tells nothing the second time has what it had.
  const files = { ...first.files, ...second.files };
  return total([summaryOf({ files, problem: second.problem }), { ...nothing, notes }]);
}

const nothing = { passed: 0, failed: 0, skipped: [], failures: [], notes: [] };

const summaryOf = ({ files, problem }) =>
  total([...Object.values(files), ...(problem === undefined ? [] : [failure(problem)])]);

/** What each file came to; `problem`: why that is not all. */
async function runFiles(files, concurrency, { environment, temporary, testTimeout, timeout }) {
  const written = path.join(temporary, 'node-test.json');
  await rm(written, { force: true });
  const ended = await run(
    'node',
    [
      '--test',
      `--test-reporter=${path.join(root, 'scripts', 'test-reporter.mjs')}`,
      `--test-timeout=${testTimeout}`,
      `--test-concurrency=${concurrency}`,
      ...files,
    ],
    { cwd: root, env: { ...environment, TWA_TEST_SUMMARY: written }, quiet: true, timeout },
  );
  const found = await readFile(written, 'utf8').then(JSON.parse, () => undefined);
  const { failed } = total(Object.values(found ?? {}));
  return { files: found ?? {}, problem: problemOf(found, failed, ended) };
}
