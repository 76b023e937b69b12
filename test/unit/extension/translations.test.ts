import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemsOf, translations } from '../../../scripts/strings.ts';

for (const translation of translations()) {
  const name = translation.path.split('/').at(-1)!;

  test(`${name} is whole: \`node scripts/strings.ts\` lists what it lacks`, () => {
    assert.deepEqual(problemsOf(translation), []);
  });

  test(`${name} is in its language`, () => {
    const same = Object.entries(translation.translated).filter(([, text]) => !/\p{Script=Han}/u.test(text));
    // Names and formulas have no other form.
    assert.ok(same.length <= 8, JSON.stringify(same));
  });
}
