/** Writes data/splits.json: 400 / 600 / 797 images for training, validation and test, stratified by digit, seed 1. */
import { readFileSync, writeFileSync } from 'node:fs';
import { seededRandom, shuffle } from './random.ts';

const labels = readFileSync(new URL('data/digits.csv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => Number(line.slice(line.lastIndexOf(',') + 1)));

const random = seededRandom(1);
const train: number[] = [];
const validation: number[] = [];
const test: number[] = [];
for (let digit = 0; digit < 10; digit++) {
  const rows = labels.flatMap((label, row) => (label === digit ? [row] : []));
  shuffle(rows, random);
  train.push(...rows.slice(0, 40));
  validation.push(...rows.slice(40, 100));
  test.push(...rows.slice(100));
}
for (const rows of [train, validation, test]) rows.sort((a, b) => a - b);
writeFileSync(
  new URL('data/splits.json', import.meta.url),
  `${JSON.stringify({ train, validation, test })}\n`,
);
