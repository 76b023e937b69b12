/**
 * How fast event files of TensorBoard are read: a file is made of the records of a real one, over and over, and read
 * from the start; then it is appended to and only the new bytes are read.
 *
 *     node bench/metrics.ts [--events 1000000]
 *
 * Prints events per second and MB/s of the first reading (median of three), and milliseconds of the one after an
 * append of 1000 events.
 */
import { appendFile, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { tensorBoardFormat } from '../src/core/metrics/tensorboard/format.ts';

const { values: options } = parseArgs({ options: { events: { type: 'string', default: '1000000' } } });
const wanted = Number(options.events);

const fixture = path.join(import.meta.dirname, '../test/fixtures/metrics/tensorboard/tensorboardX');
const [name] = (await readdir(fixture)).filter((one) => one.includes('tfevents'));
const source = await readFile(path.join(fixture, name!));

/** Where the scalars begin: the first record is the version of the file. */
const start = 16 + source.readUInt32LE(0);
const body = source.subarray(start);
let perBody = 0;
for (let at = 0; at < body.length; at += 16 + body.readUInt32LE(at)) perBody++;

const directory = await mkdtemp(path.join(os.tmpdir(), 'twa-bench-'));
try {
  const file = path.join(directory, 'events.out.tfevents.0.bench');
  const copies = Math.ceil(wanted / perBody);
  const handle = await open(file, 'w');
  await handle.write(source.subarray(0, start));
  const batch = Buffer.concat(Array.from({ length: 1000 }, () => body));
  for (let left = copies; left > 0; left -= 1000)
    await handle.write(batch.subarray(0, Math.min(left, 1000) * body.length));
  const { size } = await handle.stat();
  await handle.close();

  const seconds: number[] = [];
  let tail = tensorBoardFormat.open(file);
  let points = 0;
  for (let round = 0; round < 3; round++) {
    tail = tensorBoardFormat.open(file);
    const begin = performance.now();
    const update = await tail.poll();
    seconds.push((performance.now() - begin) / 1000);
    points = update.points.reduce((sum, { steps }) => sum + steps.length, 0);
  }
  const median = seconds.sort((a, b) => a - b)[1]!;
  const events = copies * perBody;
  if (points !== events) throw new Error(`${points} points of ${events} events`);
  console.log(
    `${events} events, ${(size / 1e6).toFixed(1)} MB: ${(events / median / 1e6).toFixed(2)} million events/s, ` +
      `${(size / median / 1e6).toFixed(0)} MB/s (${median.toFixed(2)} s)`,
  );

  const more = Math.ceil(1000 / perBody);
  await appendFile(file, batch.subarray(0, more * body.length));
  const begin = performance.now();
  const update = await tail.poll();
  const took = performance.now() - begin;
  console.log(
    `${update.points.reduce((sum, { steps }) => sum + steps.length, 0)} events appended: ${took.toFixed(1)} ms`,
  );
} finally {
  await rm(directory, { recursive: true });
}
