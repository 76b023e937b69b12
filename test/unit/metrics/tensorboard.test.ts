import assert from 'node:assert/strict';
import { appendFile, copyFile, readdir, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { test } from 'node:test';
import { candidateMetrics, readSeries } from '../../../src/core/metrics/registry.ts';
import { applyUpdate } from '../../../src/core/metrics/series.ts';
import { crc32c, maskedCrc32c } from '../../../src/core/crc32c.ts';
import { tensorBoardFormat } from '../../../src/core/metrics/tensorboard/format.ts';
import type { MetricsUpdate, Series } from '../../../src/core/metrics/types.ts';
import { fixture, pointsOf, temporaryDirectory } from './helpers.ts';

/** Directory, tag, and [step, value, wall time in seconds] as TensorBoard's EventAccumulator gave them: see `make.py`. */
type Expected = Record<string, Record<string, [number, number | string, number][]>>;

const expected = JSON.parse(await readFile(fixture('tensorboard/expected.json'), 'utf8')) as Expected;

async function eventFile(directory: string): Promise<string> {
  const names = (await readdir(fixture(`tensorboard/${directory}`))).filter((name) =>
    name.includes('tfevents'),
  );
  assert.equal(names.length, 1);
  return fixture(`tensorboard/${directory}/${names[0]!}`);
}

/** As `expected.json` has them. Wall times exactly: milliseconds are made by the same multiplication. */
function rows(series: readonly Omit<Series, 'source'>[]): [string, [number, number, number][]][] {
  return series
    .map(({ tag, steps, values, wallTimes }): [string, [number, number, number][]] => [
      tag,
      steps.map((step, i) => [step, values[i]!, wallTimes[i]!]),
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function expectedRows(directory: string): [string, [number, number, number][]][] {
  return Object.entries(expected[directory]!)
    .map(([tag, points]): [string, [number, number, number][]] => [
      tag,
      points.map(([step, value, seconds]) => [step, Number(value), seconds * 1000]),
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

test('series are those that TensorBoard reads, of every writer', async () => {
  const series = await readSeries(fixture('tensorboard'));
  const root = fixture('tensorboard');
  const read = new Set<string>();
  for (const directory of Object.keys(expected)) {
    const inDirectory = series.filter(
      ({ source, tag }) =>
        relative(root, dirname(source)).split(sep).join('/') === directory && tag !== 'types/bfloat16',
    );
    for (const one of inDirectory) read.add(one.source);
    assert.deepEqual(rows(inDirectory), expectedRows(directory), directory);
  }
  assert.ok(read.size >= 6);
});

test('bfloat16, which TensorBoard alone cannot read', async () => {
  const points = pointsOf(await tensorBoardFormat.open(await eventFile('tensorflow')).poll());
  assert.deepEqual(points['types/bfloat16'], [
    [0, -1.5],
    [1, -0.5],
    [2, 0.5],
  ]);
});

test("the epochs of Keras' callback are known as such", async () => {
  const update = await tensorBoardFormat.open(await eventFile('keras/validation')).poll();
  const epochs = new Map(update.points.map(({ tag, epochs }) => [tag, epochs]));
  assert.deepEqual(epochs.get('epoch_loss'), [0, 1, 2, 3]);
  assert.deepEqual(epochs.get('evaluation_loss_vs_iterations'), [NaN, NaN, NaN, NaN]);
});

test('cut after every byte and read on: no error, nothing twice, nothing lost', async (t) => {
  const directory = await temporaryDirectory(t);
  const source = await readFile(await eventFile('tensorboardX'));
  const whole = rows((await tensorBoardFormat.open(await eventFile('tensorboardX')).poll()).points);
  const path = join(directory, 'events.out.tfevents.1');
  for (let cut = 0; cut <= source.length; cut++) {
    await writeFile(path, source.subarray(0, cut));
    const tail = tensorBoardFormat.open(path);
    const first = await tail.poll();
    await writeFile(path, source.subarray(cut), { flag: 'a' });
    const second = await tail.poll();
    assert.deepEqual([...first.warnings, ...second.warnings], [], `cut at ${cut}`);
    assert.equal(second.reset, false);
    const series = applyUpdate(applyUpdate([], first, path), second, path);
    assert.deepEqual(rows(series), whole, `cut at ${cut}`);
  }
});

test('one byte at a time', async (t) => {
  const path = join(await temporaryDirectory(t), 'events.out.tfevents.1');
  const source = (await readFile(await eventFile('tensorflow'))).subarray(0, 2600);
  await writeFile(path, '');
  const tail = tensorBoardFormat.open(path);
  let series: readonly Series[] = [];
  for (const byte of source) {
    await appendFile(path, Buffer.of(byte));
    series = applyUpdate(series, await tail.poll(), path);
  }
  const atOnce = await tensorBoardFormat.open(path).poll();
  assert.ok(atOnce.points.some(({ steps }) => steps.length > 2));
  assert.deepEqual(rows(series), rows(atOnce.points));
});

test('only new bytes are decoded, and a file that is cut or replaced is read anew', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'events.out.tfevents.1');
  await copyFile(await eventFile('torch'), path);
  const tail = tensorBoardFormat.open(path);
  assert.ok((await tail.poll()).points.length > 0);
  assert.deepEqual(await tail.poll(), { reset: false, points: [], warnings: [] });
  const whole = await readFile(path);
  await truncate(path, 2000);
  const afterCut = await tail.poll();
  assert.equal(afterCut.reset, true);
  assert.deepEqual(rows(afterCut.points), rows((await tensorBoardFormat.open(path).poll()).points));
  await writeFile(`${path}.new`, whole);
  await rename(`${path}.new`, path);
  const replaced = await tail.poll();
  assert.equal(replaced.reset, true);
  assert.deepEqual(rows(replaced.points), rows((await tensorBoardFormat.open(path).poll()).points));
});

test('a damaged record is left out and told with its byte; a damaged length ends the reading', async (t) => {
  const path = join(await temporaryDirectory(t), 'events.out.tfevents.1');
  const source = await readFile(await eventFile('tensorboardX'));
  const starts = recordStarts(source);
  const third = starts[3]!;
  const read = async (bytes: Buffer): Promise<MetricsUpdate> => {
    await writeFile(path, bytes);
    return tensorBoardFormat.open(path).poll();
  };
  const count = (update: MetricsUpdate): number =>
    update.points.reduce((sum, { steps }) => sum + steps.length, 0);
  const all = count(await read(source));

  const data = Buffer.from(source);
  data[third + 15]! ^= 1;
  const damaged = await read(data);
  assert.equal(count(damaged), all - 1);
  assert.deepEqual(damaged.warnings, [
    `${path}, byte ${third}: the checksum of the record is wrong; it is left out.`,
  ]);

  const length = Buffer.from(source);
  length[third]! ^= 1;
  const lost = await read(length);
  assert.equal(count(lost), 2); // the first record is the file's version
  assert.match(lost.warnings[0]!, new RegExp(`byte ${third}: the checksum of the length is wrong`));
  assert.equal(lost.warnings.length, 1);
});

test('a file whose new length shows before its new bytes', async (t) => {
  const path = join(await temporaryDirectory(t), 'events.out.tfevents.1');
  const source = await readFile(await eventFile('tensorboardX'));
  const third = recordStarts(source)[3]!;
  for (const known of [third, third + 4, third + 20]) {
    const zeros = Buffer.alloc(source.length);
    source.copy(zeros, 0, 0, known);
    // Up to the end of the record only: its data are there, all of them zero.
    await writeFile(path, zeros.subarray(0, recordStarts(source)[4]));
    const tail = tensorBoardFormat.open(path);
    const first = await tail.poll();
    const file = await readFile(path);
    source.copy(file, 0, 0, file.length);
    await writeFile(path, file);
    await appendFile(path, source.subarray(file.length));
    const series = applyUpdate(applyUpdate([], first, path), await tail.poll(), path);
    assert.deepEqual(rows(series), expectedRows('tensorboardX'), `known up to ${known}`);
  }
});

test('a resumed run: what its earlier file has from the restart on is void', async () => {
  const series = await readSeries(fixture('tensorboard/resumed'));
  assert.deepEqual(
    series.map(({ tag }) => tag),
    ['train/loss'],
  );
  assert.deepEqual(series[0]!.steps, [...Array(40).keys()]);
  assert.match(series[0]!.source, /\.a$/);
});

test('a record beyond what a curve needs is passed over', async (t) => {
  const path = join(await temporaryDirectory(t), 'events.out.tfevents.1');
  const source = await readFile(await eventFile('tensorboardX'));
  const second = recordStarts(source)[1]!;
  const image = frame(Buffer.alloc(9 << 20));
  await writeFile(path, Buffer.concat([source.subarray(0, second), image.subarray(0, 5 << 20)]));
  const tail = tensorBoardFormat.open(path);
  assert.deepEqual((await tail.poll()).points, []);
  await appendFile(path, Buffer.concat([image.subarray(5 << 20), source.subarray(second)]));
  const update = await tail.poll();
  assert.deepEqual(update.warnings, []);
  assert.equal(update.reset, false);
  assert.deepEqual(rows(update.points), expectedRows('tensorboardX'));
});

test('CRC-32C: the vectors of RFC 3720, B.4', () => {
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.equal(crc32c(Buffer.from([...Array(32).keys()])), 0x46dd794e);
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  assert.equal(crc32c(Buffer.from('x123456789x'), 1, 10), 0xe3069283);
});

test('event files by name', () => {
  assert.equal(candidateMetrics('run/events.out.tfevents.1795482595.vm.4194.0')?.id, 'tensorboard');
  assert.equal(candidateMetrics('run/events.out.tfevents.1795482661.vm.4735.1.v2')?.id, 'tensorboard');
  assert.equal(candidateMetrics('run/events.out.tfevents.1795482661.vm.profile-empty'), undefined);
});

function recordStarts(file: Buffer): number[] {
  const starts: number[] = [];
  for (let at = 0; at < file.length; at += 16 + file.readUInt32LE(at)) starts.push(at);
  return starts;
}

function frame(data: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeBigUInt64LE(BigInt(data.length));
  header.writeUInt32LE(maskedCrc32c(header, 0, 8), 8);
  const footer = Buffer.alloc(4);
  footer.writeUInt32LE(maskedCrc32c(data, 0, data.length));
  return Buffer.concat([header, data, footer]);
}
