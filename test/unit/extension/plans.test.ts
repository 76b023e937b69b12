import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_RULE, DEFAULTS, optionsFor } from '../../../src/core/averaging/defaults.ts';
import { METHODS, RULES } from '../../../src/core/averaging/methods.ts';
import { parseFit, writeFit } from '../../../src/extension/averaging/fitText.ts';
import {
  planOptions,
  QUESTIONS,
  withoutTaskOptions,
  type Plan,
} from '../../../src/extension/averaging/plans.ts';
import { complete } from '../../../src/extension/averaging/questions.ts';
import type { Step } from '../../../src/extension/dialogs.ts';

test('the quick pick offers the same rule first as the command line takes by default', () => {
  assert.equal(planOptions()[0]?.value.options?.rule, DEFAULT_RULE);
});

const subject = { title: 'title', count: 3 };

/** Answers with the first option, or with the text that is there already. */
const yes = {
  pickOne: <T>(options: readonly { readonly value: T }[]) => Promise.resolve(options[0]?.value),
  input: ({ value, check }: { value: string; check: (text: string) => string | undefined }) => {
    assert.equal(check(value), undefined, 'what is proposed is right');
    for (const wrong of ['x', '-1', '1e999']) assert.notEqual(check(wrong), undefined, wrong);
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
    const whole = await complete(value, subject, yes);
    assert.equal(whole?.method, value.method);
    assert.equal(whole.ask, undefined);
    if (value.ask !== undefined) assert.equal(await complete(value, subject, no), undefined);
  }
});

test('what is asked becomes part of the plan', async () => {
  const answers = (plan: Plan) => complete(plan, subject, yes);
  assert.deepEqual(await answers({ method: 'last-k', ask: 'newest' }), {
    method: 'last-k',
    settings: { k: 3 },
  });
  assert.deepEqual(await answers({ method: 'ema', ask: 'decay' }), {
    method: 'ema',
    settings: { decay: 0.8 },
  });
  assert.deepEqual(await answers({ method: 'manual', ask: 'coefficients' }), {
    method: 'manual',
    coefficients: [0.333, 0.333, 0.333],
  });
  assert.deepEqual(await answers({ method: 'best-k', ask: 'best' }), { method: 'best-k' });
  assert.deepEqual(await answers({ method: 'search', ask: 'search' }), { method: 'search' });
  assert.deepEqual(await answers({ method: 'twa', ask: 'twa' }), {
    method: 'twa',
    options: {
      ...{ rule: 'v4', constraint: 'affine', granularity: 'one', start: 'mean', fitData: 'validation' },
      ...{ sparse: false, ridge: 0, epochs: 10, patience: 10, schedule: 'cosine', weightDecay: 0 },
    },
  });
});

/** Answers with the last option, and notes what was asked. */
function last(asked: string[]): typeof yes {
  return {
    ...yes,
    pickOne: <T>(
      options: readonly { readonly value: T }[],
      { placeholder }: { readonly placeholder?: string } = {},
    ) => {
      asked.push(placeholder ?? '');
      return Promise.resolve(options.at(-1)?.value);
    },
  };
}

test('step by step: a given start asks for the coefficients, BatchNorm for its statistics, and only then', async () => {
  const asked: string[] = [];
  const plan = await complete({ method: 'twa', ask: 'twa' }, { ...subject, batchNorm: true }, last(asked));
  assert.deepEqual(plan?.coefficients, [0.333, 0.333, 0.333]);
  assert.deepEqual(plan.options, {
    ...{ rule: 'lbfgs', constraint: 'free', granularity: 'groups', start: 'given', fitData: 'train' },
    ...{ sparse: true, epochs: 30, patience: 3, ridge: 0 },
  });
  assert.equal(plan.buffers, 'newest');
  const withBatchNorm = asked.splice(0);
  assert.equal((await complete({ method: 'twa', ask: 'twa' }, subject, last(asked)))?.buffers, undefined);
  assert.deepEqual(asked, withBatchNorm.slice(0, -1));
});

test('a search and the best checkpoints can be told how', async () => {
  assert.deepEqual(await complete({ method: 'search', ask: 'search' }, subject, last([])), {
    method: 'search',
    options: { constraint: 'free', start: 'given', fitData: 'train', sparse: true },
    settings: { evaluations: 120 },
    coefficients: [0.333, 0.333, 0.333],
  });
  assert.deepEqual(await complete({ method: 'best-k', ask: 'best' }, subject, last([])), {
    method: 'best-k',
    settings: { k: 3 },
  });
});

test('what a plan says already comes first in every question, as long as the rule is the same', async () => {
  for (const plan of [
    { method: 'last-k', settings: { k: 2 } },
    { method: 'best-k', settings: { k: 2 } },
    { method: 'ema', settings: { decay: 0.5 }, buffers: 'newest' },
    { method: 'manual', coefficients: [0.5, 0.25, 0.25] },
    {
      method: 'search',
      options: { constraint: 'free', start: 'given', fitData: 'train', sparse: true },
      settings: { evaluations: 9 },
      coefficients: [0.5, 0.25, 0.25],
    },
    {
      method: 'twa',
      options: { ...DEFAULTS.iclr, constraint: 'simplex', granularity: 'tensor', start: 'best', epochs: 7 },
      buffers: 'average',
    },
  ] satisfies Plan[]) {
    const { method }: Plan = plan;
    const again = { ...plan, ask: QUESTIONS[method]! };
    const whole = method === 'twa' ? { ...subject, batchNorm: true } : subject;
    assert.deepEqual(await complete(again, whole, yes), plan);
  }
  const options = { ...DEFAULTS.v4, constraint: 'free', epochs: 7 } as const;
  const other = {
    ...yes,
    pickOne: <T>(choices: readonly { readonly value: T }[]) =>
      Promise.resolve((choices.find(({ value }) => value === 'lbfgs') ?? choices[0])?.value),
  };
  const changed = await complete({ method: 'twa', options, ask: 'twa' }, subject, other);
  assert.equal(changed?.options?.constraint, DEFAULTS.lbfgs.constraint);
  assert.equal(changed.options.epochs, DEFAULTS.lbfgs.epochs);
});

test('from every question there is a way back, out of the first one to what was before', async () => {
  const seen: string[] = [];
  // Coefficients are asked for where they are given, and no more where the start is changed.
  let given = 0;
  const at = (placeholder: string, step: Step | undefined) =>
    seen.push(`${placeholder} ${step?.at}/${step?.of}`);
  const dialogs = {
    pickOne: <T>(
      options: readonly { readonly value: T }[],
      { placeholder, step }: { readonly placeholder: string; readonly step?: Step },
    ) => {
      at(placeholder, step);
      if (placeholder !== 'Starting where?') return Promise.resolve(options[0]?.value);
      given++;
      const wanted = given === 1 ? 'given' : 'last';
      return Promise.resolve(options.find(({ value }) => value === wanted)?.value);
    },
    input: ({ prompt, value, step }: { prompt: string; value: string; step?: Step }) => {
      at(prompt.split('.')[0]!, step);
      if (!prompt.startsWith('3 numbers')) return Promise.resolve(value);
      step?.back?.();
      return Promise.resolve(undefined);
    },
  };
  const plan = await complete({ method: 'twa', ask: 'twa' }, subject, dialogs);
  assert.equal(plan?.options?.start, 'last');
  assert.equal(plan.coefficients, undefined);
  assert.deepEqual(seen.slice(3, 7), [
    'Starting where? 4/7',
    '3 numbers with commas between, the oldest checkpoint first 5/8',
    'Starting where? 4/7',
    'Fitted on which data? 5/7',
  ]);

  let isOut = false;
  const back = {
    ...no,
    input: ({ step }: { step?: Step }) => {
      step?.back?.();
      return Promise.resolve(undefined);
    },
  };
  const outer = { at: 1, of: 2, back: () => (isOut = true) };
  assert.equal(await complete({ method: 'ema', ask: 'decay' }, subject, back, outer), undefined);
  assert.ok(isOut);
});

test('the numbers of a fit in one line', () => {
  for (const rule of RULES) {
    assert.deepEqual(optionsFor(rule, parseFit(writeFit(rule), rule) as object), DEFAULTS[rule], rule);
  }
  assert.deepEqual(parseFit('epochs=3,  learning-rate 0.5, schedule linear,', 'iclr'), {
    epochs: 3,
    learningRate: 0.5,
    schedule: 'linear',
  });
  assert.deepEqual(parseFit('', 'v4'), {});
  for (const [text, wrong] of [
    ['epoch 3', /^"epoch" is none of these: epochs, patience, /],
    ['momentum 0.9', /^"momentum" is none of these/],
    ['epochs', /^epochs is a number, not ""\.$/],
    ['epochs 3 4', /^epochs is a number, not "3 4"\.$/],
    ['epochs 0', /^The option epochs is 0: it must be a whole number above 0\.$/],
    ['schedule slow', /^schedule is step, linear, cosine, not "slow"\.$/],
  ] as const) {
    assert.match(parseFit(text, 'v4') as string, wrong);
  }
});
