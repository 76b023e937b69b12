/** What `npm test` makes of files that fail once, always, or behind a failure: no test is counted as what it was not. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { directoryWith } from '../task/temporary.ts';

const levels = path.resolve(import.meta.dirname, '../../../scripts/levels/node-test.mjs');

const FILES = {
  'once.test.mjs': `import { test } from 'node:test';
import { existsSync, writeFileSync } from 'node:fs';
const flag = new URL('flag', import.meta.url);
const isFirst = !existsSync(flag);
writeFileSync(flag, '');
test('step 1', () => { if (isFirst) throw new Error('a mood'); });
test('step 2', (t) => { if (isFirst) t.skip('an earlier step failed'); });`,
  'always.test.mjs': `import { test } from 'node:test';
test('broken', () => { throw new Error('for good'); });
test('well', () => {});`,
  'fine.test.mjs': `import { test } from 'node:test';
test('fine', () => {});
test('not here', { skip: 'no such thing' }, () => {});`,
};

test('a file that fails is tried once more, and what it came to then is what counts', async (context) => {
  const directory = directoryWith(context, FILES);
  // A runner inside of a runner reports to the outer one.
  const environment = { ...process.env };
  delete environment['NODE_TEST_CONTEXT'];
  const program = `
    import { nodeTests } from ${JSON.stringify(levels)};
    const summary = await nodeTests({
      pattern: ${JSON.stringify(path.join(directory, '*.test.mjs'))}, temporary: ${JSON.stringify(directory)},
      environment: process.env, testTimeout: 60000, timeout: 120000, concurrency: 2,
    });
    console.log(JSON.stringify(summary));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    env: environment,
  });
  const summary = JSON.parse(stdout) as Record<'failures' | 'notes' | 'skipped', string[]> & {
    passed: number;
    failed: number;
  };
  assert.deepEqual([summary.passed, summary.failed], [4, 1]);
  assert.deepEqual(summary.skipped, ['not here: no such thing']);
  assert.match(summary.failures.join(), /^broken [^]*for good/);
  assert.match(summary.notes.join(), /^passed only at the second try: step 1 [^]*a mood/);
});
