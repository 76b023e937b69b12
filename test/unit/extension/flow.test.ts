/** What stands between the choice of checkpoints and a pass. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { DEFAULTS } from '../../../src/core/averaging/defaults.ts';
import type { AverageReport, Provenance } from '../../../src/core/averaging/types.ts';
import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { planAgain, sourcesOf } from '../../../src/extension/averaging/again.ts';
import { estimate } from '../../../src/extension/averaging/estimate.ts';
import { fitting } from '../../../src/extension/averaging/fitting.ts';
import { inTurn } from '../../../src/extension/averaging/inTurn.ts';
import { outputFrom, outputProblem } from '../../../src/extension/averaging/output.ts';
import { planText } from '../../../src/extension/averaging/plans.ts';
import { summaryOptions } from '../../../src/extension/averaging/summary.ts';
import type { Facts } from '../../../src/extension/averaging/summary.ts';
import type { Option, Step } from '../../../src/extension/dialogs.ts';
import { header, writeFloats } from '../checkpoints/help.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'twa-flow-'));
after(() => rm(folder, { recursive: true }));

function report(provenance: Partial<Provenance>, more: Partial<AverageReport> = {}): AverageReport {
  const method = provenance.method ?? 'uniform';
  return {
    version: 1,
    output: '/w/a/averages/twa-1.safetensors',
    method,
    coefficients: [0.5, 0.5],
    splits: undefined,
    metric: undefined,
    table: [],
    recommendation: { use: method, sentence: '' },
    lossCurve: [],
    notes: [],
    provenance: {
      tool: 'twa',
      version: '0.1.0',
      createdAt: '2025-01-02T12:00:00Z',
      coefficients: [0.5, 0.5],
      method,
      options: undefined,
      seed: 1,
      splits: undefined,
      buffers: 'none',
      backend: undefined,
      task: undefined,
      sources: ['e1', 'e2'].map((name) => ({ path: `/w/a/${name}.safetensors`, size: 1000, sha256: '' })),
      outputSha256: '',
      ...provenance,
    },
    timings: {},
    ...more,
  };
}

test('questions lead back to the one before, with what was known then, and out of the first', async () => {
  const asked: string[] = [];
  const answers = ['a', 'back', 'A', 'B', 'back', 'b', 'c'];
  const ask =
    (name: string) =>
    (known: string, { at, of, back }: Step): Promise<string | undefined> => {
      asked.push(`${name} ${at}/${of} after "${known}"`);
      const answer = answers.shift();
      if (answer === 'back') back?.();
      return Promise.resolve(answer === 'back' ? undefined : known + answer!);
    };
  const questions = [ask('first'), ask('second'), ask('third')];
  assert.equal(await inTurn(() => questions, ''), 'Abc');
  assert.deepEqual(asked, [
    'first 1/3 after ""',
    'second 2/3 after "a"',
    'first 1/3 after ""',
    'second 2/3 after "A"',
    'third 3/3 after "AB"',
    'second 2/3 after "A"',
    'third 3/3 after "Ab"',
  ]);
  let isOut = false;
  answers.push('back');
  const outer = { at: 1, of: 1, back: () => (isOut = true) };
  assert.equal(await inTurn(() => questions, '', outer), undefined);
  assert.ok(isOut);
  const away = (): Promise<undefined> => Promise.resolve(undefined);
  assert.equal(await inTurn(() => [ask('x'), away], ''), undefined, 'away is not back');
});

test('a pass is estimated from the newest that is like it, by number and size', () => {
  const timings = { reading: 100, backend: 50, baselines: 400, training: 1000, writing: 200, evaluating: 30 };
  const task = '/w/twa.json';
  const options = { rule: 'v4' } as Provenance['options'];
  const twa = { method: 'twa' as const, rule: 'v4' as const, task };
  const old = report({ method: 'twa', options, task }, { timings: { training: 9 } });
  const fresh = report({ method: 'twa', options, task, createdAt: '2025-02-02T12:00:00Z' }, { timings });
  const same = estimate({ ...twa, sizes: [1000, 1000] }, [old, fresh]);
  assert.equal(same?.from, fresh);
  assert.equal(same.milliseconds, 1780);
  // Twice as many: twice the reading, writing and baselines; the same training, evaluating and backend.
  assert.equal(estimate({ ...twa, sizes: [1000, 1000, 1000, 1000] }, [fresh])?.milliseconds, 1780 + 700);
  assert.equal(estimate({ ...twa, rule: 'iclr', sizes: [1] }, [fresh]), undefined, 'another rule');
  assert.equal(estimate({ ...twa, task: '/v/twa.json', sizes: [1] }, [fresh]), undefined, 'another task');
  assert.equal(estimate({ ...twa, sizes: [1] }, []), undefined);
  const merge = report({ method: 'uniform' }, { timings: { reading: 10, writing: 90 } });
  const ema = { method: 'ema' as const, rule: undefined, task: undefined, sizes: [2000, 2000] };
  assert.equal(estimate(ema, [fresh, merge])?.milliseconds, 200, 'without a task all only read and write');
});

const facts: Facts = {
  run: 'digits',
  count: 8,
  tensors: 12,
  readBytes: 8 << 20,
  writeBytes: 1 << 20,
  freeBytes: 1 << 30,
  plan: 'TWA (v4)',
  hasOptions: true,
  isFitted: true,
  fitData: 'validation',
  engine: 'tfjs',
  task: 'twa.json',
  backend: 'auto',
  memory: 'bf16',
  seed: 1,
  output: 'runs/digits/averages/twa-v4-1',
  estimate: undefined,
};
const linesOf = (more: Partial<Facts>): string =>
  summaryOptions({ ...facts, ...more })
    .map(({ label, description, detail }) => [label, description, detail].join(' '))
    .join('\n');

test('the summary starts with Enter, and says what is read, written, free, and how long it takes', () => {
  const options = summaryOptions(facts);
  assert.equal(options[0]?.value, 'start');
  const said = linesOf({});
  for (const part of [
    'TWA (v4) → runs/digits/averages/twa-v4-1',
    'Checkpoints: 8 of digits',
    'TWA-v',
    'Backend: auto',
    'Checkpoints kept as: bf16',
    'Options of the Method…',
    '12 tensors, the same names, shapes and types',
    'Reads 8.0 MB, writes 1.0 MB 1.0 GB free',
    'Time not known no such pass has been measured here yet',
    'Evaluated with twa.json',
  ]) {
    assert.ok(said.includes(part), `${part} in\n${said}`);
  }
  assert.match(
    linesOf({ estimate: { milliseconds: 12_000, from: 'twa-v4-1' } }),
    /about 12 s as twa-v4-1 took/,
  );
  assert.match(linesOf({ freeBytes: 1000 }), /\$\(warning\).*only 1000 B free: it will not fit/);
  const none = { hasOptions: false, isFitted: false, engine: undefined, task: undefined };
  const plain = summaryOptions({ ...facts, ...none });
  const values = plain.map(({ value }) => value);
  for (const absent of ['options', 'data', 'seed', 'backend', 'memory'] as const) {
    assert.ok(!values.includes(absent));
  }
  assert.doesNotMatch(linesOf({ engine: 'pytorch' }), /Backend/);
  assert.match(linesOf({ engine: 'pytorch' }), /Checkpoints kept as: bf16/);
});

test('a plan is told without what is as usual', () => {
  assert.equal(planText({ method: 'uniform' }), 'uniform (SWA)');
  assert.equal(planText({ method: 'last-k', settings: { k: 3 } }), 'newest (LAWA) (3)');
  assert.equal(planText({ method: 'twa', options: { rule: 'v4', constraint: 'affine' } }), 'TWA (v4)');
  assert.equal(planText({ method: 'twa', options: DEFAULTS.lbfgs }), 'TWA (lbfgs)');
  const options = { rule: 'iclr', constraint: 'simplex', epochs: 5, start: 'given', sparse: true } as const;
  assert.equal(
    planText({ method: 'twa', options, buffers: 'newest' }),
    'TWA (iclr, simplex, from own coefficients, epochs 5, as few as are enough, running statistics: newest)',
  );
  assert.equal(
    planText({
      method: 'search',
      options: { constraint: 'simplex', start: 'best' },
      settings: { evaluations: 9 },
    }),
    'searched coefficients (9 evaluations, from the best)',
  );
});

test('checkpoints of another model are listed with every difference, and can be left out', async () => {
  const w = { name: 'w', dtype: 'F32', shape: [2, 3] } as const;
  const good = ['/r/2', '/r/3', '/r/4'].map((at) => header(at, { tensors: [w] }));
  const odd = header('/r/1', {
    tensors: [
      { ...w, shape: [4, 3] },
      { ...w, name: 'v' },
    ],
  });
  let shown: readonly Option<unknown>[] = [];
  const answer = (label: RegExp | undefined) => ({
    pickOne: <T>(options: readonly Option<T>[]) => {
      shown = options;
      return Promise.resolve(options.find((one) => label?.test(one.label))?.value);
    },
  });
  assert.equal(await fitting(good, answer(undefined)), good, 'nothing is asked where all fit');
  assert.deepEqual(await fitting([odd, ...good], answer(/Leave Out 1/)), good);
  assert.deepEqual(
    shown.slice(1).map(({ group, label }) => [group, label]),
    [
      ['1', '$(warning) w is F32 [4, 3], not F32 [2, 3].'],
      [undefined, '$(warning) it has a tensor v F32 [2, 3] that 4 has not.'],
    ],
  );
  assert.equal(await fitting([odd, ...good], answer(undefined)), undefined);
  await assert.rejects(fitting([odd, good[0]!], answer(undefined)), { code: 'mismatch' });
});

test('a name for the average gets the extension of its format and never one that is taken', async () => {
  const averages = path.join(folder, 'averages');
  await mkdir(averages);
  await writeFile(path.join(averages, 'mine.safetensors'), '');
  await writeFile(path.join(averages, 'told.twa-report.json'), '');
  const automatic = path.join(averages, 'twa-v4-1.safetensors');
  const template: CheckpointHeader = header(path.join(folder, 'e1.safetensors'), { format: 'safetensors' });
  assert.equal(outputFrom('best', automatic, template), path.join(averages, 'best.safetensors'));
  assert.equal(outputFrom('best.safetensors', automatic, template), path.join(averages, 'best.safetensors'));
  assert.equal(outputFrom('../best', automatic, template), path.join(folder, 'best.safetensors'));
  assert.equal(outputProblem('best', automatic, template), undefined);
  for (const taken of ['', ' ', 'mine', 'told', 'nowhere/best', 'mine.safetensors/best']) {
    assert.notEqual(outputProblem(taken, automatic, template), undefined, taken);
  }
});

test('another pass begins with all options of the first, as far as they can be had', () => {
  const options = { rule: 'iclr', epochs: 3, learningRate: 0.5 } as Provenance['options'];
  const twa = report({ method: 'twa', options, seed: 7 });
  assert.deepEqual(planAgain(twa, { engine: 'tfjs', headers: [1, 2] }), { method: 'twa', options });
  assert.equal(planAgain(twa, { engine: undefined, headers: [1, 2] }), undefined, 'its task is gone');
  assert.equal(planAgain(twa, { engine: 'command', headers: [1, 2] }), undefined, 'no gradients');
  const lawa = report({ method: 'last-k', settings: { k: 3 } });
  assert.deepEqual(planAgain(lawa, { engine: undefined, headers: [1, 2] }), {
    method: 'last-k',
    settings: { k: 2 },
  });
  const own = report({ method: 'manual', coefficients: [0.25, 0.75] });
  assert.deepEqual(planAgain(own, { engine: undefined, headers: [1, 2] })?.coefficients, [0.25, 0.75]);
  assert.equal(planAgain(own, { engine: undefined, headers: [1] }), undefined);

  const newest = report({ method: 'twa', options, buffers: 'newest', task: '/w/twa.json' });
  assert.equal(planAgain(newest, { engine: 'tfjs', headers: [1, 2] })?.buffers, 'newest');
  // What the report does not say is asked for.
  const given = { ...options!, start: 'given' } as const;
  const from = report({ method: 'twa', options: given, coefficients: [0.25, 0.75] });
  assert.deepEqual(planAgain(from, { engine: 'tfjs', headers: [1, 2] }), {
    ...{ method: 'twa', options: given, coefficients: [0.25, 0.75], ask: 'twa' },
  });
  const search = report({ method: 'search', settings: { evaluations: 9 } });
  assert.equal(planAgain(search, { engine: 'command', headers: [1, 2] })?.ask, 'search');
});

test('the checkpoints of an average are found where a project was moved to; those that are gone are named', async () => {
  const run = path.join(folder, 'moved');
  await mkdir(path.join(run, 'averages'), { recursive: true });
  await writeFloats(path.join(run, 'e1.safetensors'), { w: [1, 2] });
  const found = await sourcesOf(report({}), path.join(run, 'averages', 'twa-1.twa-report.json'));
  assert.deepEqual(found.found, [path.join(run, 'e1.safetensors')]);
  assert.deepEqual(
    found.missing.map((one) => one.path),
    ['/w/a/e2.safetensors'],
  );
  assert.match(found.missing[0]?.reasons[0] ?? '', /e2\.safetensors does not exist/);
});
