/**
 * The next character of Genesis: a transformer decoder with one block (causal attention of two heads, width 32), layer
 * normalisation before each part, on windows of 32 characters.
 */
import { readFileSync } from 'node:fs';
import type { Tensor, Variable } from '../../src/compute/tf.ts';
import type { TaskContext } from '../../src/compute/objective/task-module.ts';
import { pick, type Examples } from './data.ts';

const LENGTH = 32;
const WIDTH = 32;
const HEADS = 2;

const text = readFileSync(new URL('../data/genesis.txt', import.meta.url), 'utf8').toLowerCase();
/** All of ASCII. */
const characters = Array.from(text);
const alphabet = [...new Set(characters)].sort();
const codes = Int32Array.from(characters, (character) => alphabet.indexOf(character));
/** Windows that do not overlap, so that no split has seen another's characters. */
const starts = Array.from(
  { length: Math.floor((codes.length - 1) / (LENGTH + 1)) },
  (_, window) => window * (LENGTH + 1),
);
const examples: Examples = {
  inputs: starts.map((start) => Float32Array.from(codes.slice(start, start + LENGTH))),
  inputShape: [LENGTH],
  labels: starts.map((start) => codes.slice(start + 1, start + LENGTH + 1)),
  classes: alphabet.length,
};

export const data = (split: string, context: TaskContext) =>
  pick(examples, { train: 1500, validation: 500, test: 700 }, split, context);

export function model({ tf }: TaskContext) {
  const matrix = (rows: number, columns: number): Variable =>
    tf.variable(tf.randomNormal([rows, columns], 0, 1 / Math.sqrt(rows)));
  const row = (value: number, size = WIDTH): Variable => tf.variable(tf.fill([size], value));
  const weights = {
    embedding: matrix(alphabet.length, WIDTH),
    positions: tf.variable(tf.randomNormal([LENGTH, WIDTH], 0, 0.1)),
    'norm1.scale': row(1),
    'norm1.shift': row(0),
    query: matrix(WIDTH, WIDTH),
    key: matrix(WIDTH, WIDTH),
    value: matrix(WIDTH, WIDTH),
    join: matrix(WIDTH, WIDTH),
    'norm2.scale': row(1),
    'norm2.shift': row(0),
    up: matrix(WIDTH, 4 * WIDTH),
    'up.bias': row(0, 4 * WIDTH),
    down: matrix(4 * WIDTH, WIDTH),
    'down.bias': row(0),
    'norm3.scale': row(1),
    'norm3.shift': row(0),
    logits: matrix(WIDTH, alphabet.length),
  };
  const mask = tf.keep(
    tf.tidy(() => tf.mul(tf.sub(tf.linalg.bandPart(tf.ones([LENGTH, LENGTH]), -1, 0), 1), 1e9)),
  );

  const normalise = (x: Tensor, name: 'norm1' | 'norm2' | 'norm3'): Tensor => {
    const { mean, variance } = tf.moments(x, -1, true);
    const unit = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
    return tf.add(tf.mul(unit, weights[`${name}.scale`]), weights[`${name}.shift`]);
  };
  /** [rows, in] x [in, out] */
  const times = (x: Tensor, w: Variable): Tensor => tf.matMul(x, w);
  const attention = (x: Tensor, batch: number): Tensor => {
    const split = (w: Variable): Tensor =>
      tf.transpose(tf.reshape(times(x, w), [batch, LENGTH, HEADS, WIDTH / HEADS]), [0, 2, 1, 3]);
    const scores = tf.mul(
      tf.matMul(split(weights.query), split(weights.key), false, true),
      Math.sqrt(HEADS / WIDTH),
    );
    const mixed = tf.matMul(tf.softmax(tf.add(scores, mask)), split(weights.value));
    return times(tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch * LENGTH, WIDTH]), weights.join);
  };

  return {
    weights,
    apply(inputs: Tensor): Tensor {
      const batch = inputs.shape[0];
      const oneHot = tf.reshape(tf.oneHot(tf.cast(inputs, 'int32'), alphabet.length), [
        batch * LENGTH,
        alphabet.length,
      ]);
      const embedded = tf.reshape(times(tf.cast(oneHot, 'float32'), weights.embedding), [
        batch,
        LENGTH,
        WIDTH,
      ]);
      let x: Tensor = tf.reshape(tf.add(embedded, weights.positions), [batch * LENGTH, WIDTH]);
      x = tf.add(x, attention(normalise(x, 'norm1'), batch));
      const wide = tf.relu(tf.add(times(normalise(x, 'norm2'), weights.up), weights['up.bias']));
      x = tf.add(x, tf.add(times(wide, weights.down), weights['down.bias']));
      return tf.reshape(times(normalise(x, 'norm3'), weights.logits), [batch, LENGTH, alphabet.length]);
    },
  };
}
