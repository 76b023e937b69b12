// A reporter for node:test that prints nothing and writes what happened to the file TWA_TEST_SUMMARY: the `Summary` of
// levels/summary.mjs of each test file, by its path.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { inspect } from 'node:util';

/** @param {AsyncIterable<{ type: string, data: any }>} events */
export default async function* report(events) {
  const summaries = {};
  /** What each test file wrote to standard error: the only trace of one that does not even load. */
  const stderr = new Map();
  /** Names of the tests that a test lies in, by nesting. */
  const parents = [];
  const failedFiles = [];
  for await (const { type, data } of events) {
    const summary = () => summaryOf(data.entryFile ?? data.file);
    const name = () => [...parents.slice(0, data.nesting), data.name].join(' > ');
    switch (type) {
      case 'test:start':
        parents.length = data.nesting;
        parents[data.nesting] = data.name;
        break;
      case 'test:pass':
        if (data.details.type === 'suite') break;
        if (data.skip !== undefined) summary().skipped.push(describeSkip(name(), data.skip));
        else if (data.todo !== undefined) summary().skipped.push(describeSkip(name(), data.todo));
        else if (isFile(data)) fail(data.file, `${relative(data.file)} declares no test`);
        else summary().passed += 1;
        break;
      case 'test:fail': {
        const { error } = data.details;
        // A parent fails with its children, which have been counted.
        if (error?.failureType === 'subtestsFailed') break;
        if (isFile(data)) failedFiles.push(data.file);
        else
          fail(
            data.entryFile ?? data.file,
            `${name()} (${relative(data.file)}:${data.line})\n${inspect(error?.cause ?? error)}`,
          );
        break;
      }
      case 'test:diagnostic':
        // Those without a file are the runner's own totals.
        if (data.file !== undefined) summary().notes.push(data.message);
        break;
      case 'test:stderr':
        stderr.set(data.entryFile, (stderr.get(data.entryFile) ?? '') + data.message);
        break;
    }
  }
  for (const file of failedFiles) fail(file, `${relative(file)} could not be run\n${stderr.get(file) ?? ''}`);
  await writeFile(process.env.TWA_TEST_SUMMARY, JSON.stringify(summaries));
  yield '';

  function summaryOf(file) {
    return (summaries[file] ??= { passed: 0, failed: 0, skipped: [], failures: [], notes: [] });
  }
  function fail(file, text) {
    const summary = summaryOf(file);
    summary.failed += 1;
    summary.failures.push(text.trimEnd());
  }
}

/** A test file itself is a test, named by its path, when it ended badly or declared none. */
const isFile = ({ name, file }) => path.resolve(name) === file;
const relative = (file) => path.relative(process.cwd(), file);
const describeSkip = (name, reason) => (typeof reason === 'string' ? `${name}: ${reason}` : name);
