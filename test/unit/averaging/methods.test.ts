/** Every method and every choice of TWA, against optima that are known in closed form. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Matrix, solve } from 'ml-matrix';
import { divide, overallCoefficients } from '../../../src/core/averaging/blocks.ts';
import { CmaEs } from '../../../src/core/averaging/cma-es.ts';
import { minimize } from '../../../src/core/averaging/quasi-newton.ts';
import { runPass, type PassRequest } from '../../../src/core/averaging/pass.ts';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import { projectToSimplex } from '../../../src/core/averaging/simplex.ts';
import type { PassResult, TwaOptions } from '../../../src/core/averaging/types.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { dot, mix, randomVector } from './logistic.ts';
import { QuadraticProblem, type QuadraticSettings } from './quadratic.ts';

const D = 12;
const random = seededRandom(4, 'rows');
/** Around a common point, as checkpoints of one run are. */
const common = randomVector(random, D, 2);
const rows = Array.from({ length: 5 }, () => {
  const off = randomVector(random, D);
  return common.map((value, d) => value + off[d]!);
});
const n = rows.length;
const curvature = Float64Array.from({ length: D }, (_, d) => 0.5 + d / 4);
const target = mix(rows, [0.5, -0.3, 0.1, 0.9, 0.1]);
const settings: QuadraticSettings = { rows, curvature, target };

const request = (options: Partial<TwaOptions>, over: Partial<PassRequest> = {}): PassRequest => ({
  method: 'twa',
  options,
  buffers: 'average',
  seed: 1,
  ...over,
});

const isError = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof TwaError && error.code === code && message.test(error.message);

/** a with W H W a = W H t, and with `affine` a Lagrange multiplier for sum a = 1: the normal equations. */
function normalEquations(
  constraint: 'affine' | 'free',
  weights: readonly Float64Array[] = rows,
  h: Float64Array = curvature,
  t: Float64Array = target,
  ridge = 0,
): number[] {
  const size = weights.length;
  const order = size + (constraint === 'affine' ? 1 : 0);
  const left = Matrix.zeros(order, order);
  const right = Matrix.zeros(order, 1);
  const scaled = weights.map((row) => row.map((value, d) => value * h[d]!));
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++)
      left.set(i, j, dot(scaled[i]!, weights[j]!) + (i === j ? ridge * size : 0));
    right.set(i, 0, dot(scaled[i]!, t) + ridge);
    if (constraint === 'affine') {
      left.set(i, size, 1);
      left.set(size, i, 1);
    }
  }
  if (constraint === 'affine') right.set(size, 0, 1);
  return solve(left, right).to1DArray().slice(0, size);
}

const away = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));

describe('TWA finds the optimum of its constraint', () => {
  // A quasi-Newton method stops when the next step promises less than 1e-7 of the loss, which here is about 0.1: then
  // coefficients are within sqrt(1e-8 / smallest curvature of about 1) of the optimum.
  const CLOSE = 1e-3;

  test('lbfgs, affine: the solution of the constrained normal equations', async () => {
    const problem = new QuadraticProblem({ ...settings, target: common });
    const { coefficients } = await runPass(problem, request({ rule: 'lbfgs', constraint: 'affine' }));
    assert.ok(away(coefficients, normalEquations('affine', rows, curvature, common)) < CLOSE);
    assert.ok(Math.abs(coefficients.reduce((sum, value) => sum + value, 0) - 1) < 1e-12);
  });

  test('lbfgs, free: the solution of the normal equations', async () => {
    const problem = new QuadraticProblem({ ...settings, target: common.map((value) => 1.3 * value) });
    const found = await runPass(problem, request({ rule: 'lbfgs', constraint: 'free' }));
    const wanted = normalEquations('free', rows, curvature, problem.settings.target);
    assert.ok(away(found.coefficients, wanted) < CLOSE);
    assert.ok(Math.abs(wanted.reduce((sum, value) => sum + value, 0) - 1) > 0.1, 'not an affine optimum');
  });

  test('lbfgs, simplex: the Karush-Kuhn-Tucker conditions hold', async () => {
    const problem = new QuadraticProblem(settings);
    const { coefficients } = await runPass(problem, request({ rule: 'lbfgs' }));
    const gradient = problem.gradientAt(Float64Array.from(coefficients));
    const active = [...coefficients.keys()].filter((i) => coefficients[i]! > 0);
    assert.ok(active.length > 1 && active.length < n, 'the optimum is on the boundary, and no corner');
    assert.ok(coefficients.every((value) => value >= 0));
    assert.ok(Math.abs(coefficients.reduce((sum, value) => sum + value, 0) - 1) < 1e-12);
    // The gradient is the same along all that are used, and no lower along those that are not.
    const multiplier = active.reduce((sum, i) => sum + gradient[i]!, 0) / active.length;
    for (const [i, value] of gradient.entries()) {
      if (coefficients[i]! > 0) assert.ok(Math.abs(value - multiplier) < 0.02, `${i}: ${value}`);
      else assert.ok(value > multiplier, `${i}: ${value} against ${multiplier}`);
    }
  });

  for (const rule of ['v4', 'iclr'] as const) {
    for (const constraint of ['simplex', 'affine', 'free'] as const) {
      test(`${rule}, ${constraint}: where lbfgs ends as well`, async () => {
        const epochs = { epochs: 100, patience: 100 };
        const walked = new QuadraticProblem(settings);
        const { coefficients } = await runPass(walked, request({ rule, constraint, ...epochs }));
        const descended = new QuadraticProblem(settings);
        const wanted = await runPass(descended, request({ rule: 'lbfgs', constraint }));
        const start = walked.excess(new Float64Array(n).fill(1 / n));
        // Stochastic rules end in a noise that their schedule shrinks but does not end.
        const left = walked.excess(coefficients) - descended.excess(wanted.coefficients);
        assert.ok(left < 0.02 * start, `${left} of ${start}`);
        const sum = coefficients.reduce((total, value) => total + value, 0);
        if (constraint !== 'free') assert.ok(Math.abs(sum - 1) < 1e-9);
        if (constraint === 'simplex') assert.ok(coefficients.every((value) => value >= 0));
      });
    }
  }

  test('a ridge pulls to the plain average as the normal equations say', async () => {
    const ridge = 3;
    const problem = new QuadraticProblem(settings);
    const options = { rule: 'lbfgs', constraint: 'affine', ridge } as const;
    const { coefficients } = await runPass(problem, request(options));
    const wanted = normalEquations('affine', rows, curvature, target, ridge);
    // The stop split, which knows no ridge, prefers a step before the last.
    assert.ok(away(coefficients, wanted) < 0.05, `${coefficients.join()} against ${wanted.join()}`);
    assert.ok(away(coefficients, normalEquations('affine')) > 0.1, 'which is another optimum than without');
    const strong = await runPass(new QuadraticProblem(settings), request({ ...options, ridge: 1e6 }));
    assert.ok(away(strong.coefficients, new Array<number>(n).fill(1 / n)) < 1e-4);
  });

  test('duplicates and a frozen block give finite coefficients', async () => {
    const frozen = [...rows, rows[0]!].map((row) => row.map((value, d) => (d < 4 ? 1 : value)));
    for (const rule of ['v4', 'iclr', 'lbfgs'] as const) {
      const problem = new QuadraticProblem({ ...settings, rows: frozen, blocks: [4, 8] });
      const result = await runPass(problem, request({ rule, granularity: 'tensor' }));
      assert.ok(result.blocks!.every(({ coefficients }) => coefficients.every(Number.isFinite)));
      const start = problem.excess(new Float64Array(n + 1).fill(1 / (n + 1)));
      const [, second] = result.blocks!;
      assert.ok(
        problem.excess([...result.blocks![0]!.coefficients, ...second!.coefficients]) < 0.7 * start,
        rule,
      );
    }
  });
});

describe('granularity', () => {
  const blocks = [3, 9];
  /** No one mix of whole checkpoints has both parts. */
  const parts = Float64Array.of(...mix(rows, [0.2, 0.9, -0.3, 0.1, 0.1]).slice(0, 3), ...target.slice(3));

  for (const rule of ['lbfgs', 'v4', 'iclr'] as const) {
    test(`${rule}: every block reaches its own optimum`, async () => {
      const problem = new QuadraticProblem({ ...settings, blocks, target: parts });
      const options = {
        rule,
        constraint: 'affine',
        granularity: 'tensor',
        epochs: 100,
        patience: 100,
      } as const;
      const result = await runPass(problem, request(options));
      const found = result.blocks!.flatMap(({ coefficients }) => [...coefficients]);
      let begin = 0;
      const optimum = problem.parts.flatMap((part, block) => {
        const slice = (vector: Float64Array) => vector.slice(begin, begin + blocks[block]!);
        const wanted = normalEquations('affine', part, slice(curvature), slice(parts), 1e-9);
        begin += blocks[block]!;
        return wanted;
      });
      const start = problem.excess(new Float64Array(n).fill(1 / n));
      assert.ok(problem.excess(found) - problem.excess(optimum) < 0.02 * start);
      const together = normalEquations('affine', rows, curvature, parts);
      assert.ok(
        problem.excess(found) < 0.9 * problem.excess(together),
        `better than one block can be: ${problem.excess(found)} against ${problem.excess(together)}`,
      );
      assert.deepEqual(
        result.blocks!.map(({ name, tensors }) => [name, tensors]),
        [
          ['b0', ['t0']],
          ['b1', ['t1']],
        ],
      );
      const weighted = result.coefficients.map(
        (value, i) => value - (3 * found[i]! + 9 * found[n + i]!) / 12,
      );
      assert.ok(Math.max(...weighted.map(Math.abs)) < 1e-12, 'the whole is the average by size');
      assert.match(result.table.at(-1)!.label, /per tensor/);
    });
  }

  test('the row of the table is of the blocks, not of their average', async () => {
    const problem = new QuadraticProblem({ ...settings, blocks, target: parts });
    const options = { rule: 'lbfgs', constraint: 'affine', granularity: 'tensor' } as const;
    const result = await runPass(problem, request(options));
    const found = Float64Array.from(result.blocks!.flatMap(({ coefficients }) => [...coefficients]));
    const { loss } = await problem.evaluate({ kind: 'mix', coefficients: found }, 'report');
    const mean = loss.reduce((sum, value) => sum + value, 0) / loss.length;
    assert.ok(Math.abs(result.table.at(-1)!.loss - mean) < 1e-12);
  });

  test('an objective without blocks says so', async () => {
    const wanted = request({ granularity: 'tensor' });
    await assert.rejects(
      runPass(new QuadraticProblem(settings), wanted),
      isError('unsupported', /granularity "one"/),
    );
  });

  test('tensors and groups divide the parameters', () => {
    const parameters = [
      { name: 'conv1.weight', size: 10 },
      { name: 'conv2.weight', size: 20 },
      { name: 'fc.weight', size: 5 },
      { name: 'fc.bias', size: 1 },
    ];
    assert.equal(divide(parameters, 'one'), undefined);
    assert.deepEqual(
      divide(parameters, 'tensor')!.map(({ name, size }) => [name, size]),
      parameters.map(({ name, size }) => [name, size]),
    );
    const grouped = divide(parameters, 'groups', { '^conv2': 'late', '^conv': 'early' })!;
    assert.deepEqual(
      grouped.map(({ name, tensors, size }) => [name, tensors, size]),
      [
        ['early', ['conv1.weight'], 10],
        ['late', ['conv2.weight'], 20],
        ['rest', ['fc.weight', 'fc.bias'], 6],
      ],
    );
    assert.throws(() => divide(parameters, 'groups'), isError('usage', /need groups/));
    assert.throws(() => divide(parameters, 'groups', { '(': 'x' }), isError('usage', /"x" has no regular/));
    assert.throws(() => divide(parameters, 'groups', { weights: 'x' }), isError('usage', /into "rest"/));
    const overall = overallCoefficients(Float64Array.of(1, 0, 0, 1, 0.5, 0.5), 2, grouped);
    assert.ok(away(overall, [(10 + 3) / 36, (20 + 3) / 36]) < 1e-15);
  });
});

describe('search', () => {
  test('needs evaluations only, and comes near the optimum of the simplex', async () => {
    const problem = new QuadraticProblem({ ...settings, gradients: false });
    const result = await runPass(problem, request({}, { method: 'search', settings: { evaluations: 400 } }));
    assert.equal(problem.gradients, 0);
    const optimum = await runPass(new QuadraticProblem(settings), request({ rule: 'lbfgs' }));
    const start = problem.excess(new Float64Array(n).fill(1 / n));
    const left = problem.excess(result.coefficients) - problem.excess(optimum.coefficients);
    assert.ok(left < 0.01 * start, `${left} of ${start}`);
    assert.ok(result.coefficients.every((value) => value >= 0));
    assert.deepEqual(result.settings, { evaluations: 400 });
    assert.equal(result.table.at(-1)!.label, 'Searched coefficients (CMA-ES, simplex)');
  });

  test('affine: sums to one and goes beyond the simplex', async () => {
    const problem = new QuadraticProblem(settings);
    const wanted = request({ constraint: 'affine' }, { method: 'search', settings: { evaluations: 1500 } });
    const { coefficients } = await runPass(problem, wanted);
    assert.ok(Math.abs(coefficients.reduce((sum, value) => sum + value, 0) - 1) < 1e-9);
    assert.ok(Math.min(...coefficients) < -0.1);
    const optimum = normalEquations('affine');
    const start = problem.excess(new Float64Array(n).fill(1 / n));
    assert.ok(problem.excess(coefficients) - problem.excess(optimum) < 0.01 * start);
  });

  test('the same seed, the same coefficients', async () => {
    const run = async (seed: number): Promise<readonly number[]> => {
      const wanted = request({}, { method: 'search', seed, settings: { evaluations: 60 } });
      return (await runPass(new QuadraticProblem(settings), wanted)).coefficients;
    };
    assert.deepEqual(await run(3), await run(3));
    assert.notDeepEqual(await run(3), await run(4));
  });

  test('TWA without gradients says what to do', async () => {
    await assert.rejects(
      runPass(new QuadraticProblem({ ...settings, gradients: false }), request({})),
      isError('unsupported', /use the method "search"/),
    );
  });

  test('CMA-ES minimises a badly scaled parabola', () => {
    const cma = new CmaEs(new Float64Array(6).fill(1), 0.5, seededRandom(1, 'cma'));
    const value = (x: Float64Array): number => x.reduce((sum, one, i) => sum + 10 ** i * one * one, 0);
    for (let generation = 0; generation < 350; generation++) {
      cma.tell(cma.ask().sort((a, b) => value(a) - value(b)));
    }
    // The published implementation needs about 2,000 evaluations for 1e-9 in 6 dimensions; these are 3,150.
    assert.ok(value(cma.mean) < 1e-9, String(value(cma.mean)));
  });
});

describe('choosing checkpoints', () => {
  /** Three good ones and three that are far off, in turn. */
  const mixed = rows.slice(0, 3).flatMap((row, i) => [row, row.map((value, d) => value + 8 + ((i + d) % 3))]);
  const good = [0, 2, 4];
  const quadratic = (): QuadraticProblem =>
    new QuadraticProblem({ rows: mixed, curvature, target: mix(rows.slice(0, 3), [1 / 3, 1 / 3, 1 / 3]) });
  const chosen = (result: PassResult): number[] =>
    result.coefficients.flatMap((value, i) => (value === 0 ? [] : [i]));

  for (const method of ['greedy', 'prune', 'best-k'] as const) {
    test(`${method} takes the good ones, equally`, async () => {
      const k = method === 'best-k' ? { settings: { k: 3 } } : {};
      const result = await runPass(quadratic(), request({}, { method, ...k }));
      assert.deepEqual(chosen(result), good);
      for (const i of good) assert.equal(result.coefficients[i], 1 / 3);
      assert.equal(result.recommendation.use, method === 'greedy' ? 'greedy' : result.recommendation.use);
      assert.ok(result.table.some(({ id }) => id === method));
    });
  }

  test('best-k without k chooses among 2, 4, 6 on the stop split', async () => {
    const result = await runPass(quadratic(), request({}, { method: 'best-k' }));
    assert.deepEqual(result.settings, { k: 2 });
  });

  test('prune says which are enough', async () => {
    const { notes } = await runPass(quadratic(), request({}, { method: 'prune' }));
    assert.ok(
      notes.some((note) =>
        /^These 3 of 6 checkpoints are enough: epoch-1, epoch-3, epoch-5 \(loss .* on the fit split, .* with all\)\.$/.test(
          note,
        ),
      ),
      notes.join('\n'),
    );
    assert.ok(notes.some((note) => /^The plain average gains most without epoch-\d\.$/.test(note)));
  });

  test('a sparse TWA keeps the sum, and no more than are needed', async () => {
    const options = { rule: 'v4', sparse: true } as const;
    const sparse = await runPass(quadratic(), request(options));
    const full = await runPass(quadratic(), request({ rule: 'v4' }));
    assert.ok(chosen(full).length === 6 && chosen(sparse).length <= 4, chosen(sparse).join());
    assert.ok(Math.abs(sparse.coefficients.reduce((sum, value) => sum + value, 0) - 1) < 1e-9);
    assert.ok(sparse.notes.some((note) => /^These \d of 6 checkpoints are enough: /.test(note)));
  });

  test('the newest and the moving average have their own rows and coefficients', async () => {
    const newest = await runPass(quadratic(), request({}, { method: 'last-k', settings: { k: 2 } }));
    assert.deepEqual(newest.coefficients, [0, 0, 0, 0, 0.5, 0.5]);
    assert.deepEqual(newest.settings, { k: 2 });
    assert.equal(newest.table.filter(({ id }) => id === 'last-k').length, 1);
    const ema = await runPass(quadratic(), request({}, { method: 'ema', settings: { decay: 0.5 } }));
    assert.deepEqual(ema.coefficients, [1 / 32, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2]);
  });

  for (const [given, message] of [
    [{ method: 'last-k', settings: { k: 7 } }, /k is 7, and there are 6 checkpoints/],
    [{ method: 'best-k', settings: { k: 0 } }, /k is 0/],
    [{ method: 'ema', settings: { decay: 1 } }, /decay is 1/],
    [{ method: 'search', settings: { evaluations: 0.5 } }, /0.5 evaluations/],
    [{ method: 'twa', options: { start: 'given' } }, /0 coefficients were given for 6/],
    [{ method: 'twa', options: { ridge: -1 } }, /option ridge is -1/],
  ] as const) {
    test(`before any work: ${message.source}`, async () => {
      const problem = quadratic();
      await assert.rejects(runPass(problem, request({}, given)), isError('usage', message));
      assert.equal(problem.evaluations, 0);
    });
  }
});

test('TWA starts at given coefficients', async () => {
  const coefficients = [0.5, -0.3, 0.1, 0.9, -0.2];
  const options = { rule: 'iclr', start: 'given', learningRate: 1e-12, epochs: 1 } as const;
  const result = await runPass(new QuadraticProblem(settings), request(options, { coefficients }));
  assert.ok(away(result.coefficients, coefficients) < 1e-9);
});

describe('the projection onto the simplex', () => {
  test('is the nearest point: no step within the simplex comes nearer', () => {
    const draw = seededRandom(1, 'simplex');
    for (let round = 0; round < 200; round++) {
      const point = randomVector(draw, 1 + (round % 7), 2);
      const projected = projectToSimplex(point);
      assert.ok(projected.every((value) => value >= 0));
      assert.ok(Math.abs(projected.reduce((sum, value) => sum + value, 0) - 1) < 1e-12);
      // Variational inequality: (point - projected) (corner - projected) <= 0 for every corner.
      const off = point.map((value, i) => value - projected[i]!);
      for (let corner = 0; corner < point.length; corner++) {
        assert.ok(off[corner]! - dot(off, projected) < 1e-12);
      }
    }
    assert.ok(away(projectToSimplex(Float64Array.of(0.2, 0.3, 0.5)), [0.2, 0.3, 0.5]) < 1e-15);
    // From far away, where the digits after the point are lost.
    assert.deepEqual([...projectToSimplex(Float64Array.of(1e17, 1e17, -1e17))], [0.5, 0.5, 0]);
  });
});

describe('the quasi-Newton method', () => {
  /** Rosenbrock's valley: far from a parabola. */
  const valley = (x: Float64Array) => {
    const [a, b] = [x[0]!, x[1]!];
    return {
      value: (1 - a) ** 2 + 100 * (b - a * a) ** 2,
      gradient: Float64Array.of(-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)),
    };
  };

  test("ends in the minimum of Rosenbrock's valley", async () => {
    const found = await minimize({
      start: Float64Array.of(-1.2, 1),
      evaluate: (point) => Promise.resolve(valley(point)),
      firstStep: 0.25,
      iterations: 200,
    });
    assert.equal(found.ended, 'converged');
    assert.ok(Math.hypot(found.point[0]! - 1, found.point[1]! - 1) < 1e-3);
    assert.ok(
      found.evaluations < 80,
      `${found.evaluations} evaluations; published L-BFGS codes need 40 to 60`,
    );
  });

  test('steps back from where the function is not finite', async () => {
    const found = await minimize({
      start: Float64Array.of(1),
      // -log(x) + x has its minimum at 1 and is not defined below 0; from 0.01 the slope is steep.
      evaluate: ([x]) =>
        Promise.resolve({ value: x! > 0 ? x! - Math.log(x!) : NaN, gradient: Float64Array.of(1 - 1 / x!) }),
      firstStep: 50,
      iterations: 50,
    });
    assert.ok(Math.abs(found.point[0]! - 1) < 1e-3);
    const far = await minimize({
      start: Float64Array.of(20),
      evaluate: ([x]) =>
        Promise.resolve({ value: x! > 0 ? x! - Math.log(x!) : NaN, gradient: Float64Array.of(1 - 1 / x!) }),
      firstStep: 50,
      iterations: 50,
    });
    assert.ok(Math.abs(far.point[0]! - 1) < 1e-3);
  });
});
