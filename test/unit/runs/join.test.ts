import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import type { Series } from '../../../src/core/metrics/types.ts';
import { epochShift, joinMetrics, type Position, valueAt } from '../../../src/core/runs/join.ts';
import { series } from './helpers.ts';

test('by epoch: the last point of the same epoch, not beyond the checkpoint', () => {
  const log = series('loss', { steps: [10, 20, 30, 40], epochs: [1, 1, 2, 2] }, [0.4, 0.3, 0.2, 0.1]);
  assert.equal(valueAt(log, { epoch: 1 }), 0.3);
  assert.equal(valueAt(log, { epoch: 2, step: 35 }), 0.2);
  // Steps that count something else (batches here, examples there): the epoch alone decides.
  assert.equal(valueAt(log, { epoch: 2, step: 5 }), 0.1);
});

test('by step where the epoch is not known to both: the nearest at or before', () => {
  const log = series('loss', { steps: [10, 20, 30] }, [0.3, 0.2, 0.1]);
  assert.equal(valueAt(log, { step: 9 }), undefined);
  assert.equal(valueAt(log, { step: 10 }), 0.3);
  assert.equal(valueAt(log, { step: 29, epoch: 3 }), 0.2);
  assert.equal(valueAt(log, { step: 1000 }), 0.1);
  assert.equal(valueAt(log, { epoch: 3 }), undefined);
  assert.equal(valueAt(log, {}), undefined);
});

test('an epoch is not taken for a step', () => {
  const log = series('loss', { epochs: [1, 2, 3] }, [0.3, 0.2, 0.1]);
  assert.equal(valueAt(log, { step: 500 }), undefined);
  assert.equal(valueAt(log, { epoch: 4, step: 500 }), undefined);
});

test('a resumed training: steps that go back, and the later of equal ones', () => {
  const log = series('loss', { steps: [10, 20, 30, 20, 30] }, [5, 4, 3, 2, 1]);
  assert.equal(valueAt(log, { step: 25 }), 2);
  assert.equal(valueAt(log, { step: 30 }), 1);
  assert.equal(valueAt(log, { step: 10 }), 5);
});

test('against a search through all points, for logs that were resumed, have gaps or count no epochs', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed, 'join');
    const below = (limit: number): number => random() % limit;
    const steps: number[] = [];
    const epochs: number[] = [];
    let step = 0;
    let epoch = 1;
    for (let point = 0; point < 80; point++) {
      step += below(4);
      if (below(8) === 0) epoch += 1;
      if (seed % 3 === 0 && below(20) === 0) {
        step = below(step + 1);
        epoch = 1 + below(epoch);
      }
      steps.push(step);
      epochs.push(seed % 4 === 0 || below(10) === 0 ? NaN : epoch);
    }
    const log = series(
      'loss',
      { steps, epochs },
      steps.map((_, position) => position),
    );
    for (let checkpoint = 0; checkpoint < 40; checkpoint++) {
      const at = {
        ...(below(3) === 0 ? {} : { step: below(step + 5) }),
        ...(below(2) === 0 ? {} : { epoch: below(epoch + 2) }),
      };
      assert.equal(valueAt(log, at), search(log, at), `seed ${seed}, ${JSON.stringify(at)}`);
    }
  }
});

/** The rules as they are written, point by point. */
function search({ steps, epochs, values }: Series, at: Position): number | undefined {
  const all = [...values.keys()];
  const inEpoch = all.filter((position) => epochs[position] === at.epoch);
  if (inEpoch.length > 0) {
    const upTo = inEpoch.filter((position) => steps[position]! <= (at.step ?? -Infinity));
    return values[upTo.at(-1) ?? inEpoch.at(-1)!];
  }
  if (at.step === undefined) return undefined;
  const before = all.filter((position) => steps[position]! <= at.step!);
  const nearest = Math.max(...before.map((position) => steps[position]!));
  return values[before.findLast((position) => steps[position] === nearest) ?? -1];
}

test('NaN is a value: a diverged run shows it', () => {
  assert.equal(valueAt(series('loss', { epochs: [1] }, [NaN]), { epoch: 1 }), NaN);
});

test('Keras: file names count epochs from 1, the log from 0', () => {
  const loss = series('loss', { epochs: [0, 1, 2] }, [0.3, 0.2, 0.1]);
  const late = series('val_loss', { epochs: [2] }, [0.15]);
  const keras = [{ epoch: 1 }, { epoch: 2 }, { epoch: 3 }];
  assert.equal(epochShift(keras, [loss, late]), 1);
  assert.deepEqual(joinMetrics(keras, [loss, late]), [
    { loss: 0.3 },
    { loss: 0.2 },
    { loss: 0.1, val_loss: 0.15 },
  ]);
  // Both from 0 (Lightning), both from 1, or not to be told.
  assert.equal(epochShift([{ epoch: 0 }, { epoch: 1 }, { epoch: 2 }], [loss]), 0);
  assert.equal(epochShift(keras, [series('loss', { epochs: [1, 2, 3] }, [3, 2, 1])]), 0);
  assert.equal(epochShift([{ epoch: 2 }], [loss]), 0);
  assert.equal(epochShift([{ step: 3 }], [loss]), 0);
});

test('of two logs with a tag the one with fewer points is asked first', () => {
  const steps = series('loss', { steps: [1, 2, 3, 4], epochs: [1, 1, 2, 2] }, [9, 8, 7, 6], 'steps.csv');
  const epochs = series('loss', { epochs: [1, 2] }, [0.8, 0.7], 'epochs.csv');
  for (const logs of [
    [steps, epochs],
    [epochs, steps],
  ]) {
    assert.deepEqual(joinMetrics([{ epoch: 2 }, { step: 3 }], logs), [{ loss: 0.7 }, { loss: 7 }]);
  }
});
