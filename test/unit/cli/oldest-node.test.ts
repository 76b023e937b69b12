/** The command as it is built, on the oldest Node.js that package.json promises: tests run on a newer one. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { checkpoints, root } from './cli.ts';
import { project } from './project.ts';

const run = promisify(execFile);
/** Of the machine: what `npm test` was started with. */
const old = process.env['TWA_OLD_NODE'];
const cli = path.join(root, 'dist/cli.mjs');

describe('The command on an older Node.js', { skip: old === undefined && 'there is none here' }, () => {
  const twa = async (args: readonly string[], cwd = root) =>
    (await run(old!, [cli, ...args], { cwd })).stdout;

  test('it is as old as promised, or younger than the one of the tests', async () => {
    const { engines } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      engines: { node: string };
    };
    const oldest = Number(/\d+/.exec(engines.node)![0]);
    const { stdout } = await run(old!, ['--version']);
    const major = Number(/\d+/.exec(stdout)![0]);
    assert.ok(major >= oldest, `${stdout.trim()} is older than ${engines.node}`);
  });

  test('reads checkpoints of every family', async () => {
    for (const name of ['torch/torch-2.13/lightning-2.pt', 'tfjs/epoch-1']) {
      assert.match(await twa(['inspect', path.join(checkpoints, name), '--json']), /"complete":true/);
    }
  });

  test('trains an average, and writes it', async (context) => {
    const directory = project(context);
    const report = JSON.parse(
      await twa(['average', 'run', '--method', 'twa', '--out', 'merged', '--json'], directory),
    ) as { method: string; table: readonly unknown[] };
    assert.equal(report.method, 'twa');
    assert.ok(report.table.length > 3);
    assert.match(await twa(['inspect', 'merged', '--json'], directory), /"complete":true/);
  });
});
