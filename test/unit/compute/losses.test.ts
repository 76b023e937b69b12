import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { selectBackend } from '../../../src/compute/backends/select.ts';
import {
  declaredLoss,
  declaredMetric,
  requireDeclaredOutput,
} from '../../../src/compute/objective/losses.ts';
import { tf } from '../../../src/compute/tf.ts';
import type { Tensor } from '../../../src/compute/tf.ts';
import type { DeclaredMetric, TaskFile } from '../../../src/core/task/types.ts';

const base: TaskFile = {
  path: '/task/twa.json',
  engine: 'tfjs',
  model: 'checkpoint',
  output: 'logits',
  loss: 'softmaxCrossEntropy',
  metric: { name: 'accuracy', goal: 'maximize' },
  batchSize: 8,
};

before(() => selectBackend('wasm', []));

/** float32 of numbers of about this size. */
function assertClose(found: Tensor, expected: readonly number[]): void {
  const values = [...found.dataSync()];
  assert.deepEqual(found.shape, [expected.length]);
  expected.forEach((value, index) =>
    assert.ok(
      Math.abs(values[index]! - value) < 1e-6 * (1 + Math.abs(value)),
      `${values.join()} for ${expected.join()}`,
    ),
  );
}

const loss = (task: Partial<TaskFile>, outputs: number[][], targets: number[][]) =>
  declaredLoss({ ...base, ...task }, tf.tensor2d(outputs), tf.tensor2d(targets));
const metric = (name: DeclaredMetric, task: Partial<TaskFile>, outputs: number[][], targets: number[][]) =>
  declaredMetric({ ...base, ...task }, name, tf.tensor2d(outputs), tf.tensor2d(targets));

describe('losses', () => {
  test('softmaxCrossEntropy of logits, without overflow, and of soft targets', () => {
    const log = Math.log;
    assertClose(
      loss(
        {},
        [[0, 0], [log(3), 0], [1000, 0], [0, 0, 0].slice(1)],
        [
          [1, 0],
          [0, 1],
          [0, 1],
          [0.25, 0.75],
        ],
      ),
      [log(2), log(4), 1000, log(2)],
    );
  });

  test('softmaxCrossEntropy of probabilities, finite at zero', () => {
    const found = loss(
      { output: 'probabilities' },
      [
        [0.25, 0.75],
        [0, 1],
      ],
      [
        [1, 0],
        [1, 0],
      ],
    );
    assertClose(found, [Math.log(4), -Math.log(1e-7)]);
  });

  test('sigmoidCrossEntropy of logits is the mean over outputs', () => {
    assertClose(
      loss(
        { loss: 'sigmoidCrossEntropy' },
        [
          [0, Math.log(3)],
          [-500, 500],
        ],
        [
          [1, 0],
          [1, 1],
        ],
      ),
      [(Math.log(2) + Math.log(4)) / 2, 250],
    );
  });

  test('sigmoidCrossEntropy of probabilities', () => {
    const found = loss({ loss: 'sigmoidCrossEntropy', output: 'probabilities' }, [[0.5, 0.75]], [[1, 0]]);
    assertClose(found, [(Math.log(2) + Math.log(4)) / 2]);
  });

  test('meanSquaredError', () => {
    assertClose(loss({ loss: 'meanSquaredError' }, [[1, 5]], [[3, 4]]), [2.5]);
  });

  test('a sequence of classifications counts every position', () => {
    const outputs = tf.tensor3d([0, 0, Math.log(3), 0], [1, 2, 2]);
    const targets = tf.tensor3d([1, 0, 0, 1], [1, 2, 2]);
    assertClose(declaredLoss(base, outputs, targets), [(Math.log(2) + Math.log(4)) / 2]);
    assertClose(declaredMetric(base, 'accuracy', outputs, targets), [0.5]);
  });

  test('targets of another shape are refused, not broadcast', () => {
    assert.throws(() => declaredLoss(base, tf.zeros([4, 10]), tf.zeros([4, 1])), {
      code: 'bad-task',
      message: /the model gives \[10\] numbers per example and the targets are \[1\].*"classes"/,
    });
  });
});

describe('metrics', () => {
  test('accuracy of classes', () => {
    const outputs = [
      [1, 3, 2],
      [1, 3, 2],
    ];
    const targets = [
      [0, 1, 0],
      [0, 0, 1],
    ];
    assertClose(metric('accuracy', {}, outputs, targets), [1, 0]);
  });

  test('accuracy of yes-or-no outputs, at 0 for logits and 0.5 for probabilities', () => {
    const outputs = [
      [0.3, 0.7],
      [0.3, 0.7],
    ];
    const targets = [
      [0, 1],
      [1, 1],
    ];
    const yesOrNo = { loss: 'sigmoidCrossEntropy' } as const;
    assertClose(metric('accuracy', yesOrNo, outputs, targets), [0.5, 1]);
    assertClose(metric('accuracy', { ...yesOrNo, output: 'probabilities' }, outputs, targets), [1, 0.5]);
  });

  test('errors of numbers', () => {
    assertClose(metric('meanSquaredError', {}, [[1, 5]], [[3, 4]]), [2.5]);
    assertClose(metric('meanAbsoluteError', {}, [[1, 5]], [[3, 4]]), [1.5]);
  });
});

describe('what the model gives is what "output" says', () => {
  const softmax = { loss: 'softmaxCrossEntropy' } as const;
  const check = (task: Partial<TaskFile>, rows: number[][]) =>
    requireDeclaredOutput({ ...base, ...task }, Float32Array.from(rows.flat()), [
      rows.length,
      rows[0]!.length,
    ]);

  test('logits and probabilities that are', () => {
    assert.ok(check({ ...softmax, output: 'logits' }, [[2, -1, 0.5]]));
    // One row may sum to 1 by chance.
    assert.ok(
      check({ ...softmax, output: 'logits' }, [
        [0.5, 0.5],
        [0.9, 0.9],
      ]),
    );
    assert.ok(check({ ...softmax, output: 'probabilities' }, [[0.2, 0.3, 0.5]]));
    assert.ok(check({ loss: 'sigmoidCrossEntropy', output: 'probabilities' }, [[0.9, 0.8]]));
    assert.ok(check({ loss: 'meanSquaredError', output: 'logits' }, [[0.5, 0.5]]));
  });

  test('logits that are probabilities, and probabilities that are not', () => {
    assert.throws(
      () => check({ ...softmax, output: 'logits' }, [[0.2, 0.3, 0.5]]),
      /they are "probabilities"\.$/,
    );
    assert.throws(
      () => check({ ...softmax, output: 'probabilities' }, [[3, -2]]),
      /such as 3\.000: they are "logits"/,
    );
    assert.throws(
      () => check({ ...softmax, output: 'probabilities' }, [[0.9, 0.8]]),
      /sum to 1\.700, not to 1/,
    );
    assert.throws(() => check({ loss: 'sigmoidCrossEntropy', output: 'probabilities' }, [[-4]]), /"logits"/);
  });

  test('a diverged checkpoint cannot tell', () => {
    assert.equal(check({ ...softmax, output: 'probabilities' }, [[Number.NaN, 1]]), false);
  });
});
