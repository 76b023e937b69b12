/** What must hold for every hostile file: a typed error that says why, within a second and 300 MB. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { FIXTURES } from '../help.ts';

export interface Hostile {
  readonly what: string;
  /** Makes it and gives its path. */
  readonly make: () => Promise<string>;
  /** Why it is refused; most go on after the file's name. */
  readonly why: RegExp;
  /** `bad-checkpoint` unless said otherwise. */
  readonly code?: 'incomplete-checkpoint' | 'not-found' | 'unsupported';
}

interface Result {
  readonly code: string;
  readonly message: string;
  readonly seconds: number;
  readonly megabytes: number;
  readonly polluted: boolean;
}

/** Of its own processor time: the clock of a machine with other work says nothing. A hang ends with {@link DEADLINE}. */
const MOST_SECONDS = 1;
const MOST_MEGABYTES = 300;
const DEADLINE = 60_000;
/**
 * @param perProcess files that one process opens, so that not every test waits for one to start. Its peak memory is that
 * of all of them.
 */
export function describeHostile(files: readonly Hostile[], perProcess = 8): void {
  for (let from = 0; from < files.length; from += perProcess) {
    const group = files.slice(from, from + perProcess);
    const results = lazily(() => openInChild(group));
    for (const [i, { what, why, code = 'bad-checkpoint' }] of group.entries()) {
      test(`refused: ${what}`, async () => {
        let result = (await results())[i];
        // What else the machine does only ever adds to the time.
        for (let again = 0; again < 2 && result !== undefined && result.seconds >= MOST_SECONDS; again++) {
          [result] = await openInChild(group.slice(i, i + 1));
        }
        assert.ok(result !== undefined, 'the process died of it');
        assert.deepEqual([result.code, result.polluted], [code, false], result.message);
        assert.match(result.message, why);
        if (process.env['TWA_MEASURE'] !== undefined) console.log(what, result.seconds, result.megabytes);
        assert.ok(result.seconds < MOST_SECONDS, `${result.seconds} s`);
        assert.ok(result.megabytes < MOST_MEGABYTES, `${result.megabytes} MB`);
      });
    }
  }
}

async function openInChild(group: readonly Hostile[]): Promise<readonly Result[]> {
  const paths: string[] = [];
  for (const { make } of group) paths.push(await make());
  const warm = join(FIXTURES, 'torch/torch-2.13/odd-1.pt');
  const args = ['--max-old-space-size=256', join(import.meta.dirname, 'child.ts'), warm, ...paths];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: DEADLINE });
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Result);
}

function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
