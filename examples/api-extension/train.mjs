// @ts-check
// `node train.mjs FOLDER`: makes a project to try the extension with. Three clouds of points that overlap, softmax
// regression by SGD with a step that is too large, a checkpoint and a line of the log per epoch.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { readExamples, scores, softmax, tensor } from './model.mjs';

const CLASSES = 3;
const FEATURES = 8;
const EPOCHS = 12;
const LEARNING_RATE = 0.2;
const SIZES = { train: 300, validation: 600, test: 600 };

/** mulberry32: the same numbers everywhere. */
let state = 7;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

const centres = Array.from({ length: CLASSES }, () => Array.from({ length: FEATURES }, () => 0.6 * normal()));
const lines = [`split,label,${Array.from({ length: FEATURES }, (_, j) => `x${j}`).join()}`];
for (const [split, size] of Object.entries(SIZES)) {
  for (let i = 0; i < size; i++) {
    const label = Math.floor(random() * CLASSES);
    lines.push([split, label, ...centres[label].map((c) => (c + normal()).toFixed(4))].join());
  }
}
const csv = `${lines.join('\n')}\n`;
const { train, validation } = readExamples(csv);

const folder = path.resolve(process.argv[2] ?? '.');
const run = path.join(folder, 'runs', 'softmax');
await mkdir(run, { recursive: true });
await writeFile(path.join(folder, 'points.csv'), csv);
await writeFile(
  path.join(folder, 'twa.json'),
  `${JSON.stringify({ engine: 'twa-example.softmax', settings: { data: 'points.csv' }, metric: 'accuracy' }, null, 2)}\n`,
);

const weights = new Map([
  ['W', new Float32Array(CLASSES * FEATURES)],
  ['b', new Float32Array(CLASSES)],
]);
let log = '';
for (let epoch = 1; epoch <= EPOCHS; epoch++) {
  for (let step = 0; step < train.length; step++) {
    const { x, y } = train[Math.floor(random() * train.length)];
    for (const [k, p] of softmax(scores(weights, x)).entries()) {
      const ofZ = p - (k === y ? 1 : 0);
      tensor(weights, 'b')[k] -= LEARNING_RATE * ofZ;
      for (const [j, value] of x.entries())
        tensor(weights, 'W')[k * FEATURES + j] -= LEARNING_RATE * ofZ * value;
    }
  }
  const results = validation.map(({ x, y }) => ({ p: softmax(scores(weights, x)), y }));
  const mean = (/** @type {number[]} */ values) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const loss = mean(results.map(({ p, y }) => -Math.log(p[y])));
  const accuracy = mean(results.map(({ p, y }) => (p.indexOf(Math.max(...p)) === y ? 1 : 0)));
  log += `epoch ${epoch}: loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(4)}\n`;
  const header = {
    epoch,
    tensors: [
      { name: 'W', shape: [CLASSES, FEATURES] },
      { name: 'b', shape: [CLASSES] },
    ],
  };
  await writeFile(
    path.join(run, `epoch-${String(epoch).padStart(2, '0')}.weights`),
    Buffer.concat([
      Buffer.from(`${JSON.stringify(header)}\n`),
      ...[...weights.values()].map((values) => Buffer.from(values.buffer)),
    ]),
  );
}
await writeFile(path.join(run, 'softmax.log'), log);
