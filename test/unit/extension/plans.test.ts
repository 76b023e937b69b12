import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_RULE } from '../../../src/core/averaging/defaults.ts';
import { METHODS } from '../../../src/core/averaging/methods.ts';
import {
  complete,
  planOptions,
  withoutTaskOptions,
  type Plan,
} from '../../../src/extension/averaging/plans.ts';

test('the quick pick offers the same rule first as the command line takes by default', () => {
  assert.equal(planOptions()[0]?.value.options?.rule, DEFAULT_RULE);
});

/** Answers with the first option, or with the text that is there already. */
const yes = {
  pickOne: <T>(options: readonly { readonly value: T }[]) => Promise.resolve(options[0]?.value),
  input: ({ value, check }: { value: string; check: (text: string) => string | undefined }) => {
    assert.equal(check(value), undefined, 'what is proposed is right');
    for (const wrong of ['', 'x', '-1', '1e999']) assert.notEqual(check(wrong), undefined, wrong);
    return Promise.resolve(value);
  },
};
const no = { pickOne: () => Promise.resolve(undefined), input: () => Promise.resolve(undefined) };

test('every method can be chosen with a task, and those by formula without', async () => {
  const methods = (options: readonly { readonly value: unknown }[]): Set<string> =>
    new Set(options.flatMap(({ value }) => (value === 'create' ? [] : [(value as Plan).method])));
  assert.deepEqual([...methods(planOptions())].sort(), [...METHODS].sort());
  assert.deepEqual([...methods(withoutTaskOptions())].sort(), ['ema', 'last-k', 'manual', 'uniform']);
  assert.equal(planOptions(false)[0]?.value.method, 'search', 'a command has no gradients');
  assert.ok(!methods(planOptions(false)).has('twa'));

  for (const { value } of planOptions()) {
    const whole = await complete(value, 3, yes, 'title');
    assert.equal(whole?.method, value.method);
    assert.equal(whole.ask, undefined);
    if (value.ask !== undefined) assert.equal(await complete(value, 3, no, 'title'), undefined);
  }
});

test('what is asked becomes part of the plan', async () => {
  assert.deepEqual(await complete({ method: 'last-k', ask: 'count' }, 3, yes, ''), {
    method: 'last-k',
    settings: { k: 3 },
  });
  assert.deepEqual(await complete({ method: 'ema', ask: 'decay' }, 3, yes, ''), {
    method: 'ema',
    settings: { decay: 0.8 },
  });
  assert.deepEqual(await complete({ method: 'manual', ask: 'coefficients' }, 2, yes, ''), {
    method: 'manual',
    coefficients: [0.5, 0.5],
  });
  assert.deepEqual(await complete({ method: 'twa', ask: 'twa' }, 3, yes, ''), {
    method: 'twa',
    options: {
      ...{ rule: 'v4', constraint: 'affine', granularity: 'one', start: 'mean', fitData: 'validation' },
      ...{ sparse: false, ridge: 0 },
    },
  });
});

test('step by step: a given start asks for the coefficients, BatchNorm for its statistics, and only then', async () => {
  const asked: string[] = [];
  const last = {
    ...yes,
    pickOne: <T>(
      options: readonly { readonly value: T }[],
      { placeholder }: { readonly placeholder?: string } = {},
    ) => {
      asked.push(placeholder ?? '');
      return Promise.resolve(options.at(-1)?.value);
    },
  };
  const plan = await complete({ method: 'twa', ask: 'twa' }, 2, last, '', true);
  assert.deepEqual(plan?.coefficients, [0.5, 0.5]);
  assert.equal(plan.options?.start, 'given');
  assert.equal(plan.buffers, 'newest');
  const withBatchNorm = asked.splice(0);
  assert.equal((await complete({ method: 'twa', ask: 'twa' }, 2, last, ''))?.buffers, undefined);
  assert.deepEqual(asked, withBatchNorm.slice(0, -1));
});
