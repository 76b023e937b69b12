import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { readSeries } from '../../../src/core/metrics/registry.ts';
import { applyUpdate } from '../../../src/core/metrics/series.ts';
import type { MetricsUpdate, Series } from '../../../src/core/metrics/types.ts';
import { wandbFormat } from '../../../src/core/metrics/wandb/format.ts';
import { fixture, temporaryDirectory } from './helpers.ts';

const FIXTURE = fixture('wandb/run-fixture1.wandb');

const STEPS = [...Array(400).keys()];

test('an offline run has the rows that were logged, those across the ends of blocks as well', async () => {
  const series = await readSeries(FIXTURE, undefined, (warning) => assert.fail(warning));
  const values = new Map(series.map(({ tag, steps, values }) => [tag, { steps, values }]));
  assert.deepEqual([...values.keys()].sort(), ['nested/accuracy', 'train/loss', 'val/loss']);
  // The formulas of make.py: JSON carries a float64 whole, and the exponentials of C and V8 may differ in the last bit.
  const loss = values.get('train/loss')!;
  assert.deepEqual(loss.steps, STEPS);
  for (const step of STEPS) {
    assert.ok(Math.abs(loss.values[step]! - Math.exp(-step / 100)) <= Number.EPSILON, `step ${step}`);
  }
  assert.deepEqual(values.get('nested/accuracy'), { steps: STEPS, values: STEPS.map((step) => step / 400) });
  assert.deepEqual(values.get('val/loss'), {
    steps: [99, 199, 299, 399],
    values: [9.9, NaN, Infinity, 39.9],
  });
  const [first] = series;
  assert.ok(first!.wallTimes.every((time, i) => i === 0 || time >= first!.wallTimes[i - 1]!));
  // 2025 or later, in milliseconds.
  assert.ok(first!.wallTimes[0]! > Date.UTC(2025, 0));
});

test('cut anywhere and read on', async (t) => {
  const source = await readFile(FIXTURE);
  const path = join(await temporaryDirectory(t), 'run-a.wandb');
  const points = (updates: readonly MetricsUpdate[]): readonly Series[] =>
    updates.reduce<readonly Series[]>((series, update) => applyUpdate(series, update, path), []);
  await writeFile(path, source);
  const whole = points([await wandbFormat.open(path).poll()]);
  // Every byte of the file's header and first records, and around the ends of the first two blocks.
  const around = (at: number, by: number): number[] => [...Array(2 * by).keys()].map((i) => at - by + i);
  for (const cut of [...Array(120).keys(), ...around(32768, 16), ...around(65536, 16)]) {
    await writeFile(path, source.subarray(0, cut));
    const tail = wandbFormat.open(path);
    const first = await tail.poll();
    await writeFile(path, source.subarray(cut), { flag: 'a' });
    const second = await tail.poll();
    assert.deepEqual([...first.warnings, ...second.warnings], [], `cut at ${cut}`);
    assert.deepEqual(points([first, second]), whole, `cut at ${cut}`);
  }
});

test('a damaged block is told and costs only its own rows; another file is said to be none', async (t) => {
  const path = join(await temporaryDirectory(t), 'run-a.wandb');
  const bytes = await readFile(FIXTURE);
  bytes[40_000]! ^= 1;
  await writeFile(path, bytes);
  const update = await wandbFormat.open(path).poll();
  assert.match(update.warnings[0]!, /run-a\.wandb, byte \d+: the checksum is wrong/);
  const { steps } = update.points.find(({ tag }) => tag === 'train/loss')!;
  assert.ok(steps.length > 250 && steps.length < 400, `${steps.length}`);
  assert.deepEqual([steps[0], steps.at(-1)], [0, 399]);
  await writeFile(path, 'something else entirely');
  const other = await wandbFormat.open(path).poll();
  assert.deepEqual(other.points, []);
  assert.match(other.warnings[0]!, /no run of Weights & Biases/);
});

/** One record of the log format, checksum and all. */
function record(data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from([1]), data]);
  const header = Buffer.alloc(6);
  header.writeUInt32LE(crc32(typed), 0);
  header.writeUInt16LE(data.length, 4);
  return Buffer.concat([header, typed]);
}

/** A field of length-delimited type. */
const field = (number: number, data: Buffer | string): Buffer =>
  Buffer.concat([Buffer.from([...varint(8 * number + 2), ...varint(data.length)]), Buffer.from(data)]);
const integer = (number: number, value: number): Buffer =>
  Buffer.from([...varint(8 * number), ...varint(value)]);
function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

test('how a run ended, how long it shall be, and the figures of the machine', async (t) => {
  const ended = await wandbFormat.open(FIXTURE).poll();
  assert.deepEqual(ended.facts, { outcome: 'finished', plan: {} });

  const failed = await wandbFormat.open(fixture('wandb/run-fixture2.wandb')).poll();
  assert.deepEqual(failed.facts, { outcome: 'failed', plan: { epochs: 40, steps: 9000 } });
  assert.deepEqual(failed.warnings, []);
  const cpu = failed.points.find(({ tag }) => tag === 'system/cpu')!;
  assert.ok(cpu.values.length > 5 && cpu.values.every((value) => value >= 0 && value <= 100));
  assert.ok(cpu.wallTimes.every((at, i) => i === 0 || at > cpu.wallTimes[i - 1]!));
  assert.deepEqual([cpu.steps[0], cpu.steps.at(-1)], [0, 4], 'at the step that was logged last');
  assert.deepEqual(failed.points.map(({ tag }) => tag).sort(), [
    'system/cpu',
    'system/memory_percent',
    'system/proc.memory.rssMB',
    'train/loss',
  ]);

  // No GPU here, so what its record looks like is written by hand, by the definitions of wandb_internal.proto.
  const item = (key: string, json: string): Buffer => Buffer.concat([field(1, key), field(16, json)]);
  const path = join(await temporaryDirectory(t), 'run-a.wandb');
  await writeFile(
    path,
    Buffer.concat([
      (await readFile(FIXTURE)).subarray(0, 7),
      record(field(17, field(4, field(1, item('epochs', '40'))))),
      record(field(5, field(1, item('max_steps', '{"value": 9000, "desc": null}')))),
      record(field(2, Buffer.concat([field(1, item('_step', '7')), field(1, item('loss', '0.5'))]))),
      record(
        field(
          7,
          Buffer.concat([
            field(2, Buffer.concat([integer(1, 1_700_000_000), integer(2, 500_000_000)])),
            field(3, item('gpu.0.gpu', '87.5')),
          ]),
        ),
      ),
      record(field(18, integer(1, 1))),
    ]),
  );
  const update = await wandbFormat.open(path).poll();
  assert.deepEqual(update.warnings, []);
  assert.deepEqual(update.facts, { outcome: 'failed', plan: { epochs: 40, steps: 9000 } });
  const gpu = update.points.find(({ tag }) => tag === 'system/gpu.0.gpu');
  assert.deepEqual(gpu && { ...gpu }, {
    tag: 'system/gpu.0.gpu',
    steps: [7],
    values: [87.5],
    epochs: [NaN],
    wallTimes: [1_700_000_000_500],
  });
});
