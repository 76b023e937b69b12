// What a level of tests came to. The reporters inside node:test and Mocha write one as JSON into TWA_TEST_SUMMARY.
import { readFile } from 'node:fs/promises';

/**
 * @typedef {object} Summary
 * @property {number} passed
 * @property {number} failed
 * @property {string[]} skipped Names, with the reason where there is one.
 * @property {string[]} failures One full text per failure.
 * @property {string[]} notes Measured figures, for people.
 */

/** @returns {Summary} */
export function failure(text) {
  return { passed: 0, failed: 1, skipped: [], failures: [text.trimEnd()], notes: [] };
}

/** @returns {Summary} */
export const success = { passed: 1, failed: 0, skipped: [], failures: [], notes: [] };

/**
 * @param {readonly Summary[]} summaries
 * @returns {Summary}
 */
export function total(summaries) {
  return {
    passed: summaries.reduce((sum, { passed }) => sum + passed, 0),
    failed: summaries.reduce((sum, { failed }) => sum + failed, 0),
    skipped: summaries.flatMap(({ skipped }) => skipped),
    failures: summaries.flatMap(({ failures }) => failures),
    notes: summaries.flatMap(({ notes }) => notes),
  };
}

/**
 * The summary that a test run wrote, held against how it ended.
 * @param {string} file
 * @param {{ code: number, output: string }} ended
 * @returns {Promise<Summary>}
 */
export async function readSummary(file, ended) {
  /** @type {Summary | undefined} */
  const summary = await readFile(file, 'utf8').then(JSON.parse, () => undefined);
  const problem = problemOf(summary, summary?.failed, ended);
  return total([
    ...(summary === undefined ? [] : [summary]),
    ...(problem === undefined ? [] : [failure(problem)]),
  ]);
}

/**
 * What is wrong with a run beside its tests: one that died wrote nothing, and one that ended badly although no test
 * failed has failed too.
 */
export function problemOf(written, failed, { code, output }) {
  const how = code === 124 ? 'took too long and was ended' : `ended with code ${code}`;
  if (written === undefined) return `The test run ${how} and left no results.\n${output}`;
  if (code !== 0 && failed === 0) return `The test run ${how} although no test failed.\n${output}`;
  return undefined;
}
