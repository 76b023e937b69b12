import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import test from 'node:test';
import { directoryWith } from '../task/temporary.ts';
import { checkpoints, onlyDocument, root, start, twa } from './cli.ts';

const mixed = path.join(checkpoints, 'mixed');
const first = path.join(mixed, 'epoch-001.safetensors');

test('inspect --json has exactly the promised fields', async () => {
  const outcome = await twa(['inspect', path.join(checkpoints, 'tfjs/epoch-2'), '--json']);
  assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
  const tensor = (name: string, shape: number[]) => ({ name, dtype: 'F32', shape });
  assert.deepEqual(onlyDocument(outcome), {
    checkpoints: [
      {
        path: path.join(checkpoints, 'tfjs/epoch-2'),
        format: 'tfjs-layers',
        step: 8,
        epoch: 2,
        complete: true,
        reason: null,
        tensors: [
          tensor('conv/kernel', [3, 3, 1, 3]),
          tensor('conv/bias', [3]),
          tensor('norm/gamma', [3]),
          tensor('norm/beta', [3]),
          tensor('dense/kernel', [12, 2]),
          tensor('dense/bias', [2]),
          tensor('norm/moving_mean', [3]),
          tensor('norm/moving_variance', [3]),
        ],
        metadata: {
          generatedBy: 'TensorFlow.js tfjs-layers v4.22.0',
          epoch: '2',
          step: '8',
          note: 'three epochs of noise',
        },
      },
    ],
  });
});

test('inspect prints one checkpoint in full', async () => {
  const { stdout, code } = await twa(['inspect', path.join(checkpoints, 'tfjs/epoch-1')]);
  assert.equal(code, 0);
  assert.equal(
    stdout,
    `test/fixtures/checkpoints/tfjs/epoch-1 (tfjs-layers, 4.5 kB)
8 tensors, 68 elements, step 4, epoch 1
generatedBy: TensorFlow.js tfjs-layers v4.22.0
epoch: 1
step: 4
note: three epochs of noise

tensor                dtype  shape
conv/kernel           F32    [3, 3, 1, 3]
conv/bias             F32    [3]
norm/gamma            F32    [3]
norm/beta             F32    [3]
dense/kernel          F32    [12, 2]
dense/bias            F32    [2]
norm/moving_mean      F32    [3]
norm/moving_variance  F32    [3]
`,
  );
});

test('inspect lists a directory, what is incomplete and what is damaged; only damage fails', async (context) => {
  const whole = readFileSync(first);
  const damaged = Buffer.from(whole);
  damaged.write('!', 8);
  const directory = directoryWith(context, {
    'run/epoch-002.safetensors': whole.subarray(0, whole.length - 1),
    'run/epoch-001.safetensors': whole,
  });
  const growing = await twa(['inspect', 'run', '--json'], directory);
  assert.deepEqual([growing.code, growing.stderr], [0, '']);
  const { checkpoints: listed } = onlyDocument(growing) as {
    checkpoints: { path: string; complete: boolean; reason: string | null; tensors: unknown[] }[];
  };
  assert.deepEqual(
    listed.map((each) => [path.basename(each.path), each.complete, each.tensors.length]),
    [
      ['epoch-001.safetensors', true, 19],
      ['epoch-002.safetensors', false, 0],
    ],
  );
  assert.match(listed[1]!.reason!, /cut off or still being written/);
  const table = await twa(['inspect', 'run'], directory);
  assert.match(
    table.stdout,
    /^run\/epoch-001\.safetensors +safetensors +100 +1 +19 +207 +1\.9 kB +complete$/m,
  );
  assert.match(table.stdout, /^run\/epoch-002\.safetensors +safetensors +incomplete: /m);

  const bad = directoryWith(context, { 'a.safetensors': damaged, 'b.safetensors': whole });
  const failed = await twa(['inspect', 'a.safetensors', 'b.safetensors', '--json'], bad);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /^twa: .*a\.safetensors/);
  const { checkpoints: both } = onlyDocument(failed) as { checkpoints: { complete: boolean }[] };
  assert.deepEqual(
    both.map(({ complete }) => complete),
    [false, true],
  );
});

test('what does not exist fails with one sentence and no document', async () => {
  for (const args of [
    ['inspect', 'no/such.safetensors'],
    ['metrics', 'no/such.csv'],
    ['average', 'no/such.safetensors', '--out', '/tmp/never.safetensors'],
    ['evaluate', 'no/such.safetensors'],
    ['init', 'no/such.safetensors'],
  ]) {
    const { code, stdout, stderr } = await twa([...args, '--json']);
    assert.deepEqual([code, stdout, stderr.split('\n').length], [1, '', 2], stderr);
    assert.match(stderr, /^twa: .*such.* does not exist/);
  }
});

test('metrics: NaN and infinities are strings in JSON', async (context) => {
  const directory = directoryWith(context, {
    'metrics.csv': 'epoch,step,loss,val_loss\n1,10,2.5,\n2,20,nan,0.75\n3,30,inf,-inf\n',
  });
  const outcome = await twa(['metrics', 'metrics.csv', '--json'], directory);
  assert.equal(outcome.code, 0, outcome.stderr);
  const source = path.join(directory, 'metrics.csv');
  assert.deepEqual(onlyDocument(outcome), {
    series: [
      { tag: 'loss', steps: [10, 20, 30], values: [2.5, 'NaN', 'Infinity'], source },
      { tag: 'val_loss', steps: [20, 30], values: [0.75, '-Infinity'], source },
    ],
  });
  const { stdout } = await twa(['metrics', '.'], directory);
  assert.equal(
    stdout,
    `series    points   steps  lowest  highest       last  file
loss           3  10..30  2.5000   2.5000   Infinity  metrics.csv
val_loss       2  20..30  0.7500   0.7500  -Infinity  metrics.csv
`,
  );
});

test('metrics: a line that cannot be read is named on standard error only', async (context) => {
  const directory = directoryWith(context, {
    'log.jsonl': '{"step": 1, "loss": 3}\n{"step": 2, "loss"\n{"step": 3, "loss": 1}\n',
  });
  const outcome = await twa(['metrics', 'log.jsonl', '--json'], directory);
  assert.equal(outcome.code, 0);
  assert.match(outcome.stderr, /^twa: .*log\.jsonl.*2/);
  assert.deepEqual((onlyDocument(outcome) as { series: { steps: unknown }[] }).series[0]!.steps, [1, 3]);
});

test('a reader that goes away is no failure', async () => {
  const child = start(['inspect', mixed, '--json']);
  child.stdout.destroy();
  const [stderr, [code]] = await Promise.all([
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  assert.deepEqual([code, stderr], [0, '']);
});

test('init writes a task file that fits, here or beside the checkpoint, and never over one', async (context) => {
  const directory = directoryWith(context);
  const run = path.join(directory, 'runs/one');
  mkdirSync(path.join(run, 'epoch-1'), { recursive: true });
  const from = path.join(checkpoints, 'tfjs/epoch-1');
  for (const name of ['model.json', ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `group1-shard${n}of8.bin`)]) {
    copyFileSync(path.join(from, name), path.join(run, 'epoch-1', name));
  }
  const here = await twa(['init', 'runs/one', '--json'], directory);
  assert.deepEqual(onlyDocument(here), { written: [path.join(directory, 'twa.json')] }, here.stderr);
  const again = await twa(['init', 'runs/one'], directory);
  assert.deepEqual([again.code, again.stdout], [1, '']);
  assert.equal(
    again.stderr,
    `twa: ${path.join(directory, 'twa.json')} exists already; it was left as it is.\n`,
  );
  const growing = path.join(run, 'epoch-2');
  mkdirSync(growing);
  writeFileSync(
    path.join(growing, 'model.json'),
    readFileSync(path.join(from, 'model.json')).subarray(0, 100),
  );
  const beside = await twa(['init', run], root);
  assert.deepEqual([beside.code, beside.stdout], [0, `Wrote ${path.join(run, 'twa.json')}\n`]);
  const module = await twa(['init', first, '--dir', run, '--json']);
  assert.equal(module.code, 1, 'the twa.json is there already');
  const nowhere = await twa(['init', first, '--dir', path.join(run, 'no')]);
  assert.equal(nowhere.stderr, `twa: There is no directory ${path.join(run, 'no')}.\n`);
});
