/** What other extensions register, given by modules that are right and modules that are wrong. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { OpenEngine } from '../../../api/twa.d.ts';
import { openContributedEngine } from '../../../src/compute/contributed/engine.ts';
import type { Objective } from '../../../src/core/averaging/types.ts';
import { candidateFor, inspectPath, requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { contributions, register } from '../../../src/core/contributions/registry.ts';
import type { ContributionKind } from '../../../src/core/contributions/types.ts';
import { candidateMetrics } from '../../../src/core/metrics/registry.ts';

let folder: string;
before(async () => (folder = await mkdtemp(path.join(tmpdir(), 'twa-contributions-'))));
after(() => rm(folder, { recursive: true }));

let count = 0;
/** Registers a module with this text for the time of a test. */
async function registered(kind: ContributionKind, text: string, use: () => Promise<void>): Promise<void> {
  const module = path.join(folder, `module-${count++}.mjs`);
  await writeFile(module, text);
  const end = await register({ kind, id: 'acme.test', module });
  try {
    await use();
  } finally {
    end();
    assert.deepEqual(contributions(), []);
  }
}

describe('a checkpoint format of another extension', () => {
  /** Gives what stands in the file, as JavaScript, with four bytes of data behind it. */
  const format = (extension: string) =>
    `export const format = { label: 'Acme', extension: '${extension}', async read(file) {
      const text = new TextDecoder().decode(await file.bytes(0, file.size - 4));
      return Function('file', 'return ' + text)(file);
    } };`;
  const inspect = async (text: string) => {
    const file = path.join(folder, 'epoch-3.acme');
    await writeFile(file, Buffer.concat([Buffer.from(text), Buffer.alloc(4)]));
    return inspectPath(file);
  };
  const tensor = `{ name: 'w', dtype: 'F32', shape: [1], position: file.size - 4 }`;

  test('is read while it is registered, and only then', async () => {
    await registered('format', format('.acme'), async () => {
      const found = await inspect(`({ tensors: [${tensor}], metadata: { step: '70' } })`);
      assert.equal(found.state, 'complete');
      assert.deepEqual(found.header.tensors, [{ name: 'w', dtype: 'F32', shape: [1] }]);
      assert.deepEqual([found.header.format, found.header.step], ['acme.test', 70]);
    });
    assert.equal(candidateFor('/run/epoch-3.acme'), undefined);
  });

  for (const [what, text, state, reason] of [
    ['nothing', 'undefined', 'unreadable', /gives nothing about it/],
    ['no tensor', '({ tensors: [] })', 'unreadable', /holds no tensor/],
    [
      'a dtype of its own',
      `({ tensors: [{ ...${tensor}, dtype: 'F12' }] })`,
      'unreadable',
      /gives w no dtype/,
    ],
    [
      'half an element',
      `({ tensors: [{ ...${tensor}, shape: [0.5] }] })`,
      'unreadable',
      /a shape that is none/,
    ],
    [
      'a place before the file',
      `({ tensors: [{ ...${tensor}, position: -1 }] })`,
      'unreadable',
      /a position/,
    ],
    ['two of a name', `({ tensors: [${tensor}, ${tensor}] })`, 'unreadable', /lists w twice/],
    [
      'two in one place',
      `({ tensors: [${tensor}, { ...${tensor}, name: 'v' }] })`,
      'unreadable',
      /tensors that overlap: w and v/,
    ],
    ['metadata of numbers', `({ tensors: [${tensor}], metadata: { step: 7 } })`, 'unreadable', /not text/],
    ['more than there is', `({ tensors: [{ ...${tensor}, shape: [9] }] })`, 'incomplete', /its tensors take/],
    ['bytes behind the end', 'file.bytes(file.size, 1)', 'incomplete', /cut off or still being written/],
    ['an error', '(() => { throw new Error("no magic") })()', 'unreadable', /read as Acme: no magic/],
  ] as const) {
    test(`that gives ${what} makes the file ${state}`, async () => {
      await registered('format', format('.acme'), async () => {
        const found = await inspect(text);
        assert.equal(found.state, state);
        assert.match('reason' in found ? found.reason : '', reason);
      });
    });
  }

  test('cannot take a name that is ours', async () => {
    await assert.rejects(
      registered('format', format('.safetensors'), () => Promise.resolve()),
      /read already, as safetensors/,
    );
    assert.deepEqual(contributions(), []);
  });
});

describe('a metrics log of another extension', () => {
  test('is followed by lines; what a line cannot say is told with its number', async () => {
    const text = `export const metrics = { fileName: /^acme-.*\\.txt$/g, open: () => ({ line(text) {
      if (text === '') return undefined;
      if (text === 'bad') throw new Error('no step');
      const [step, value] = text.split(' ').map(Number);
      return [{ tag: 'loss', step, value }];
    } }) };`;
    const file = path.join(folder, 'acme-1.txt');
    await writeFile(file, '1 0.5\n\nbad\n2 0.25\nx 1\n3 0.1');
    await registered('metrics', text, async () => {
      for (const again of [1, 2]) assert.ok(candidateMetrics(file) !== undefined, `asked ${again} times`);
      const tail = candidateMetrics(file)!.open(file);
      const { points, warnings } = await tail.poll();
      assert.deepEqual(
        points.map(({ tag, steps, values }) => ({ tag, steps, values })),
        [{ tag: 'loss', steps: [1, 2], values: [0.5, 0.25] }],
      );
      assert.equal(warnings.length, 2);
      assert.match(warnings[0]!, /3.*no step/);
      assert.match(warnings[1]!, /5.*finite step/);
      await writeFile(file, '1 0.5\n\nbad\n2 0.25\nx 1\n3 0.1\n');
      assert.deepEqual((await tail.poll()).points[0]?.steps, [3], 'only what is new');
    });
    assert.equal(candidateMetrics(file), undefined);
  });
});

describe('an engine of another extension', () => {
  const header = async (name: string, values: readonly number[]) => {
    const text = Buffer.from(
      `{"w":{"dtype":"F32","shape":[${values.length}],"data_offsets":[0,${4 * values.length}]}}`,
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    const file = path.join(folder, name);
    await writeFile(file, Buffer.concat([length, text, Buffer.from(Float32Array.from(values).buffer)]));
    return requireComplete(file);
  };
  const open = async (text: string, use: (objective: Objective) => Promise<void>): Promise<void> => {
    await registered('engine', `export const engine = { open: () => (${text}) };`, async () => {
      const headers = [
        await header('epoch-1.safetensors', [1, 2]),
        await header('epoch-2.safetensors', [3, 5]),
      ];
      const signal = new AbortController().signal;
      const context = { signal, onProgress: () => undefined, log: () => undefined };
      const engine = await openContributedEngine(
        {
          task: {
            path: '/twa.json',
            engine: 'contributed',
            contributed: { engine: 'acme.test', settings: {} },
            model: 'checkpoint',
            output: 'logits',
            metric: { name: 'error', goal: 'minimize' },
            batchSize: 64,
          },
          template: headers[1]!,
          fitData: 'validation',
          seed: 1,
          backend: 'auto',
        },
        context,
      );
      const objective = await engine.load(headers, { signal });
      await use(objective);
      await engine.dispose();
    });
  };
  /** L(w) = (w0 - 1)^2 + w1, the same for every example. */
  const good: Record<keyof Pick<OpenEngine, 'label' | 'sizes' | 'evaluate' | 'lossAndGradient'>, string> = {
    label: `'test'`,
    sizes: '{ train: 4, validation: 10, test: 3 }',
    evaluate: `(weights, split, examples) => {
      const [w0, w1] = weights.get('w');
      const loss = new Float64Array(examples.length).fill((w0 - 1) ** 2 + w1);
      return { loss, metrics: { error: loss } };
    }`,
    lossAndGradient: `(weights) => {
      const [w0, w1] = weights.get('w');
      return { loss: (w0 - 1) ** 2 + w1, gradients: new Map([['w', Float32Array.of(2 * (w0 - 1), 1)]]) };
    }`,
  };
  const source = (changed: Readonly<Record<string, string>> = {}) =>
    `{ ${Object.entries({ ...good, ...changed })
      .map(([name, value]) => `${name}: ${value}`)
      .join(', ')} }`;
  const mix = (coefficients: readonly number[]) =>
    ({ kind: 'mix', coefficients: Float64Array.from(coefficients) }) as const;

  test('evaluates mixes, and its gradient becomes that of the coefficients', async () => {
    await open(source(), async (objective) => {
      // w = 0.5 (1, 2) + 0.5 (3, 5) = (2, 3.5)
      const { loss, metrics, weights } = await objective.evaluate(mix([0.5, 0.5]), 'report', 'average');
      assert.deepEqual([...loss], [4.5, 4.5, 4.5]);
      assert.deepEqual([...metrics['error']!], [4.5, 4.5, 4.5]);
      assert.deepEqual([...weights], [1, 1, 1]);
      const found = await objective.lossAndGradient(Float64Array.of(0.5, 0.5), Int32Array.of(0));
      assert.equal(found.loss, 4.5);
      // dL/da_i = <w_i, (2 (w0 - 1), 1)> = <w_i, (2, 1)>
      assert.deepEqual([...found.gradient], [4, 11]);
      const single = await objective.evaluate({ kind: 'checkpoint', index: 1 }, 'stop', 'newest');
      assert.equal(single.loss[0], 9);
      assert.equal(single.loss.length, 4, '40 % of validation');
    });
  });

  for (const [what, changed, expected] of [
    ['no label', { label: '1' }, /without a "label"/],
    ['no sizes', { sizes: '{}' }, /no numbers of examples/],
    ['no function', { evaluate: '1' }, /without a function "evaluate"/],
    ['parameters that are none', { parameters: `['v']` }, /a parameter v that the checkpoint has not/],
    ['too few numbers', { evaluate: '() => ({ loss: [1], metrics: { error: [1] } })' }, /gave 1 numbers/],
    ['another metric', { evaluate: '() => ({ loss: [], metrics: {} })' }, /gave no metric "error"/],
    [
      'an error',
      { evaluate: '() => { throw new Error("out of luck"); }' },
      /^TwaError: acme\.test: out of luck$/,
    ],
  ] as const) {
    test(`that gives ${what} is told so, with its id`, async () => {
      await assert.rejects(
        open(source(changed), async (objective) => {
          await objective.evaluate(mix([1, 0]), 'report', 'average');
        }),
        (error: Error) => expected.test(String(error)) && /acme\.test/.test(error.message),
      );
    });
  }

  test('that gives a gradient of another length is told so', async () => {
    const lossAndGradient = `() => ({ loss: 1, gradients: new Map([['w', new Float32Array(3)]]) })`;
    await open(source({ lossAndGradient }), async (objective) => {
      await assert.rejects(
        objective.lossAndGradient(Float64Array.of(1, 0), Int32Array.of(0)),
        /a gradient of w that is no Float32Array of 2 numbers/,
      );
    });
  });

  test('that nobody registered is missed by name', async () => {
    await assert.rejects(
      openContributedEngine(
        {
          task: {
            path: '/twa.json',
            engine: 'contributed',
            contributed: { engine: 'acme.none', settings: {} },
            model: 'checkpoint',
            output: 'logits',
            metric: { name: 'error', goal: 'minimize' },
            batchSize: 64,
          },
          template: await header('epoch-1.safetensors', [1, 2]),
          fitData: 'validation',
          seed: 1,
          backend: 'auto',
        },
        { signal: new AbortController().signal, onProgress: () => undefined, log: () => undefined },
      ),
      /"acme\.none" belongs to another VS Code extension, which is not installed/,
    );
  });
});
