import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assignPlaces, HUES } from '../../../webview/curves/colors.ts';
import { formatElapsed, tickDistance, ticksBetween } from '../../../webview/curves/ticks.ts';

const directories = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `/data/runs/seed-${index}`);

describe('assignPlaces', () => {
  test('is settled by the directory: the same in every window', () => {
    const places = assignPlaces(directories(5), {});
    assert.deepEqual(assignPlaces(directories(5), {}), places);
    assert.equal(
      assignPlaces(['/data/runs/seed-3'], {})['/data/runs/seed-3']! % HUES,
      places['/data/runs/seed-3']! % HUES,
    );
  });

  test('no two runs have one place; up to the number of hues no two have one hue', () => {
    for (const count of [HUES, 200]) {
      const places = Object.values(assignPlaces(directories(count), {}));
      assert.equal(new Set(places).size, count);
      const hues = new Set(places.map((place) => place % HUES));
      assert.equal(hues.size, HUES);
    }
  });

  test('what is known stays, whatever comes and goes', () => {
    const before = assignPlaces(directories(3), {});
    const after = assignPlaces(['/another', ...directories(30).slice(1)], before);
    for (const directory of directories(3)) assert.equal(after[directory], before[directory]);
    assert.equal(assignPlaces(directories(2), after), after);
  });
});

describe('times on an axis', () => {
  test('labels are whole seconds, minutes, hours or days apart', () => {
    const minute = 60_000;
    assert.equal(tickDistance(90 * minute, 6), 15 * minute);
    assert.equal(tickDistance(50 * 60 * minute, 6), 12 * 60 * minute);
    assert.equal(tickDistance(4000, 6), 1000);
    assert.deepEqual(ticksBetween(13, 41, 10), [20, 30, 40]);
    assert.deepEqual(ticksBetween(13, 41, 10, 5), [15, 25, 35]);
  });

  test('a stretch of time is read as a clock is', () => {
    assert.equal(formatElapsed(0), '0:00');
    assert.equal(formatElapsed(90), '1:30');
    assert.equal(formatElapsed(3600 + 61), '1:01:01');
    assert.equal(formatElapsed(2 * 86_400 + 3 * 3600), '2d 3:00');
    assert.equal(formatElapsed(0.25, 100), '0.250 s');
  });
});
