import assert from 'node:assert/strict';
import { appendFile, copyFile, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { csvFormat } from '../../../src/core/metrics/csv.ts';
import { fixture, pointsOf, temporaryDirectory } from './helpers.ts';

test('Keras CSVLogger: epochs are x, NaN is kept', async () => {
  const update = await csvFormat.open(fixture('keras.log.csv')).poll();
  assert.deepEqual(update.warnings, []);
  assert.deepEqual(
    update.points.map(({ tag }) => tag),
    ['accuracy', 'loss', 'val_accuracy', 'val_loss'],
  );
  const loss = update.points.find(({ tag }) => tag === 'loss')!;
  assert.deepEqual(loss.steps, [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(loss.epochs, loss.steps);
  // The digits that Keras wrote; decimal text to double is exact.
  assert.deepEqual(loss.values, [
    0.6754304766654968,
    0.6752786636352539,
    0.6749817728996277,
    0.6747579574584961,
    NaN,
    NaN,
  ]);
  assert.ok(loss.wallTimes.every(Number.isNaN));
});

test('Lightning CSVLogger: sparse rows, several per step', async () => {
  const update = await csvFormat.open(fixture('lightning.metrics.csv')).poll();
  assert.deepEqual(update.warnings, []);
  const points = pointsOf(update);
  assert.deepEqual(Object.keys(points).sort(), ['train_loss', 'val_late', 'val_loss']);
  assert.deepEqual(
    points['train_loss']!.map(([step]) => step),
    [1, 3, 5, 7, 9, 11, 13, 15],
  );
  assert.deepEqual(points['val_loss'], [
    [7, 0.02556084468960762],
    [15, 0.018842464312911034],
  ]);
  assert.deepEqual(update.points.find(({ tag }) => tag === 'val_loss')!.epochs, [0, 1]);
});

test('Lightning rewrites the file with a longer header when a metric appears: read again from the start', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.csv');
  await copyFile(fixture('lightning-before.metrics.csv'), path);
  const tail = csvFormat.open(path);
  assert.deepEqual(Object.keys(pointsOf(await tail.poll())), ['train_loss', 'val_loss']);
  // Same inode, longer than before: only what is in it tells.
  await writeFile(path, await readFile(fixture('lightning.metrics.csv')));
  const update = await tail.poll();
  assert.equal(update.reset, true);
  assert.deepEqual(update, {
    ...(await csvFormat.open(fixture('lightning.metrics.csv')).poll()),
    reset: true,
  });
});

test('ultralytics results.csv: padded names, a duration is no date', async (t) => {
  const path = join(await temporaryDirectory(t), 'results.csv');
  await writeFile(
    path,
    '                  epoch,                   time,         train/box_loss,       metrics/mAP50(B)\n' +
      '                      1,                12.5008,                1.17231,                0.55091\n' +
      '                      2,                24.1102,                1.10011,                0.60177\n',
  );
  const update = await csvFormat.open(path).poll();
  assert.deepEqual(pointsOf(update), {
    'train/box_loss': [
      [1, 1.17231],
      [2, 1.10011],
    ],
    'metrics/mAP50(B)': [
      [1, 0.55091],
      [2, 0.60177],
    ],
  });
  assert.ok(update.points[0]!.wallTimes.every(Number.isNaN));
});

test('every cut: what was read before and after it is what is read at once', async (t) => {
  const bytes = await readFile(fixture('lightning.metrics.csv'));
  const whole = pointsOf(await csvFormat.open(fixture('lightning.metrics.csv')).poll());
  const path = join(await temporaryDirectory(t), 'metrics.csv');
  for (let cut = 0; cut <= bytes.length; cut++) {
    await writeFile(path, bytes.subarray(0, cut));
    const tail = csvFormat.open(path);
    const before = pointsOf(await tail.poll());
    await appendFile(path, bytes.subarray(cut));
    const after = await tail.poll();
    assert.equal(after.reset, false, `cut at ${cut}`);
    const rest = pointsOf(after);
    const joined = Object.fromEntries(
      Object.keys(whole).map((tag) => [tag, [...(before[tag] ?? []), ...(rest[tag] ?? [])]]),
    );
    assert.deepEqual(joined, whole, `cut at ${cut}`);
  }
});

test('a half-written row waits; at the end of a finished file it counts only when it is whole', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.csv');
  await writeFile(path, 'epoch,loss,acc\n1,0.5,0.9\n2,0.4');
  assert.deepEqual(pointsOf(await csvFormat.open(path).poll()), { loss: [[1, 0.5]], acc: [[1, 0.9]] });
  const cut = await csvFormat.open(path).poll(undefined, true);
  assert.deepEqual(pointsOf(cut), { loss: [[1, 0.5]], acc: [[1, 0.9]] });
  assert.deepEqual(cut.warnings, []);
  await appendFile(path, ',0.95');
  const whole = await csvFormat.open(path).poll(undefined, true);
  assert.deepEqual(pointsOf(whole)['acc'], [
    [1, 0.9],
    [2, 0.95],
  ]);
});

test('only new bytes are read', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.csv');
  const rows = Array.from({ length: 1000 }, (_, i) => `${i},${i / 1000}\n`).join('');
  await writeFile(path, `step,loss\n${rows}`);
  const tail = csvFormat.open(path);
  assert.equal(pointsOf(await tail.poll())['loss']!.length, 1000);
  // Neither end of what was read changes, the middle becomes another number: whoever reads it again sees it.
  const text = await readFile(path, 'utf8');
  await writeFile(path, `${text.replace('\n500,0.5\n', '\n500,0.7\n')}1000,1\n`);
  const update = await tail.poll();
  assert.equal(update.reset, false);
  assert.deepEqual(pointsOf(update), { loss: [[1000, 1]] });
  assert.deepEqual((await tail.poll()).points, []);
});

test('a file that was cut, replaced, emptied or removed is forgotten', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'metrics.csv');
  const start = async (): Promise<ReturnType<typeof csvFormat.open>> => {
    await writeFile(path, 'epoch,loss\n1,0.5\n2,0.4\n3,0.3\n');
    const tail = csvFormat.open(path);
    assert.equal(pointsOf(await tail.poll())['loss']!.length, 3);
    return tail;
  };

  let tail = await start();
  await truncate(path, 'epoch,loss\n1,0.5\n'.length);
  let update = await tail.poll();
  assert.equal(update.reset, true);
  assert.deepEqual(pointsOf(update), { loss: [[1, 0.5]] });

  // Rotated: another file of the same name that starts with the same bytes and is longer.
  tail = await start();
  const other = join(directory, 'next');
  await writeFile(other, 'epoch,loss\n1,0.5\n2,0.4\n3,0.3\n4,0.2\n');
  await rename(other, path);
  update = await tail.poll();
  assert.equal(update.reset, true);
  assert.equal(pointsOf(update)['loss']!.length, 4);

  // A training started again in the same file: same inode, longer, other numbers.
  tail = await start();
  await writeFile(path, 'epoch,loss\n1,0.7\n2,0.6\n3,0.5\n4,0.4\n');
  update = await tail.poll();
  assert.equal(update.reset, true);
  assert.deepEqual(pointsOf(update)['loss']![0], [1, 0.7]);

  tail = await start();
  await writeFile(path, '');
  assert.deepEqual(await tail.poll(), { reset: true, points: [], warnings: [] });
  assert.deepEqual(await tail.poll(), { reset: false, points: [], warnings: [] });

  tail = await start();
  await rename(path, other);
  assert.deepEqual(await tail.poll(), { reset: true, points: [], warnings: [] });
});

test('what x is: a step before an epoch, an epoch before the step of the row before, else the row', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.csv');
  const stepsOf = async (text: string): Promise<readonly number[]> => {
    await writeFile(path, text);
    return (await csvFormat.open(path).poll()).points[0]!.steps;
  };
  assert.deepEqual(await stepsOf('epoch,step,loss\n0,10,1\n0,20,1\n'), [10, 20]);
  assert.deepEqual(await stepsOf('step,global_step,loss\n1,101,1\n2,102,1\n'), [101, 102]);
  assert.deepEqual(await stepsOf('iteration,loss\n5,1\n6,1\n'), [5, 6]);
  assert.deepEqual(await stepsOf('step,loss\n5,1\n,1\n'), [5, 5]);
  assert.deepEqual(await stepsOf('loss,acc\n1,1\n1,1\n'), [0, 1]);
});

test('delimiters, quotes, a byte order mark and Windows line ends', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.csv');
  for (const text of [
    '\uFEFFepoch,loss\r\n1,0.5\r\n',
    'epoch\tloss\n1\t0.5\n',
    'epoch;loss\n1;0.5\n',
    '"epoch","loss"\n"1","0.5"\n',
  ]) {
    await writeFile(path, text);
    assert.deepEqual(pointsOf(await csvFormat.open(path).poll()), { loss: [[1, 0.5]] }, JSON.stringify(text));
  }
  await writeFile(path, 'epoch,"loss, ""raw""",note\n1,0.5,"a, b"\n');
  assert.deepEqual(pointsOf(await csvFormat.open(path).poll()), { 'loss, "raw"': [[1, 0.5]] });
});

test('a column that says which split a row is about makes one series per split', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.csv');
  await writeFile(path, 'epoch,split,loss\n1,train,0.5\n1,val,0.6\n');
  assert.deepEqual(pointsOf(await csvFormat.open(path).poll()), {
    'train/loss': [[1, 0.5]],
    'val/loss': [[1, 0.6]],
  });
});

test('a header further down starts a new table: the logger was started again', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.csv');
  await writeFile(path, 'epoch,loss\n1,0.5\nepoch,acc,loss\n2,0.9,0.4\n');
  const update = await csvFormat.open(path).poll();
  assert.deepEqual(update.warnings, []);
  assert.deepEqual(pointsOf(update), {
    loss: [
      [1, 0.5],
      [2, 0.4],
    ],
    acc: [[2, 0.9]],
  });
});

test('bad rows are left out and named with file and line, not more than ten', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.csv');
  await writeFile(path, 'epoch,loss\n1,0.5\n2,0.4,7,8\n3,"0.3\n4,0.2\n');
  const update = await csvFormat.open(path).poll();
  assert.deepEqual(pointsOf(update), {
    loss: [
      [1, 0.5],
      [4, 0.2],
    ],
  });
  assert.equal(update.warnings.length, 2);
  assert.ok(update.warnings[0]!.startsWith(`${path}, line 3: the row has 4 values where the header has 2`));
  assert.ok(update.warnings[1]!.startsWith(`${path}, line 4: the row is no CSV`));

  await writeFile(path, `epoch,loss\n${'1\n'.repeat(1000)}`);
  const many = await csvFormat.open(path).poll();
  assert.equal(many.warnings.length, 10);
  assert.match(many.warnings.at(-1)!, /from line 11 on, more lines/);
});

test('a table without column names is left out and says so; prose is left out', async (t) => {
  const directory = await temporaryDirectory(t);
  const table = join(directory, 'metrics.csv');
  await writeFile(table, '1,0.5\n2,0.4\n');
  const update = await csvFormat.open(table).poll();
  assert.deepEqual(update.points, []);
  assert.equal(update.warnings.length, 1);
  assert.match(update.warnings[0]!, /metrics\.csv, line 1: the first line must name the columns/);
  const prose = join(directory, 'training.log');
  await writeFile(prose, 'Epoch 1/10, on a GPU\nloss 0.5\na, b, c\n');
  assert.deepEqual(await csvFormat.open(prose).poll(), { reset: false, points: [], warnings: [] });
  await copyFile(fixture('keras.log.csv'), prose);
  assert.equal((await csvFormat.open(prose).poll()).points.length, 4);
});

test('a file without line ends is refused before it is held whole', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.csv');
  await writeFile(path, Buffer.alloc(18 << 20, 'x'));
  await assert.rejects(csvFormat.open(path).poll(), {
    code: 'bad-metrics',
    message: /line 1 is longer than 16 MiB/,
  });
});

test('an aborted poll throws', async () => {
  await assert.rejects(csvFormat.open(fixture('keras.log.csv')).poll(AbortSignal.abort()), {
    code: 'cancelled',
  });
});
