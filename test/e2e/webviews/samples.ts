/** Data that looks like a real run, to look at and to test with. Nothing here is a result. */
import type { AverageReport, LossPoint, TableRow } from '../../../src/core/averaging/types.ts';
import { resultGeometry } from '../../../src/core/averaging/resultGeometry.ts';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import type {
  AverageMark,
  CheckpointMark,
  CurvesRun,
  ResultMore,
  SeriesPart,
  ToCurves,
} from '../../../webview/protocol.ts';

export const EPOCHS = 30;
export const STEPS = 40;
export const RUN = '/data/digits/runs/seed-1';

/** In [0, 1). */
function uniform(seed: number): () => number {
  const random = seededRandom(seed, 'sample');
  return () => random() / 2 ** 32;
}

type Point = readonly [step: number, epoch: number, value: number];

interface SamplePart extends SeriesPart {
  readonly steps: Float64Array;
}
interface SampleRun extends CurvesRun {
  readonly series: readonly SamplePart[];
}

export function part(tag: string, points: readonly Point[], from = 0): SamplePart {
  return {
    key: `${RUN}/metrics.csv\n${tag}`,
    tag,
    source: `${RUN}/metrics.csv`,
    from,
    total: from + points.length,
    steps: Float64Array.from(points, ([step]) => step),
    epochs: Float64Array.from(points, ([, epoch]) => epoch),
    values: Float64Array.from(points, ([, , value]) => value),
  };
}

/** A loss per step and a validation per epoch; `diverged` loses some steps to NaN. */
export function sampleRun(epochs = EPOCHS, diverged = false): SampleRun {
  const random = uniform(7);
  const trainLoss: Point[] = [];
  const trainAccuracy: Point[] = [];
  const rate: Point[] = [];
  const validationLoss: Point[] = [];
  const validationAccuracy: Point[] = [];
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for (let index = 1; index <= STEPS; index++) {
      const step = (epoch - 1) * STEPS + index;
      const progress = step / (EPOCHS * STEPS);
      const noise = (random() + random() - 1) * (0.35 * (1 - progress) + 0.05);
      const loss = 2.2 * Math.exp(-7 * progress) + 0.05 + Math.abs(noise) * 0.5;
      const lost = diverged && step > 520 && step < 640;
      trainLoss.push([step, epoch, lost ? NaN : loss]);
      trainAccuracy.push([step, epoch, Math.min(1, 1 - 0.28 * loss)]);
      rate.push([step, epoch, 0.05 * (0.5 + 0.5 * Math.cos(Math.PI * progress))]);
    }
    const progress = epoch / EPOCHS;
    const loss = 2 * Math.exp(-7 * progress) + 0.11 + 0.03 * progress + 0.03 * (random() - 0.5);
    validationLoss.push([epoch * STEPS, epoch, loss]);
    validationAccuracy.push([epoch * STEPS, epoch, Math.min(0.985, 1 - 0.3 * loss)]);
  }
  const checkpoints: CheckpointMark[] = validationLoss.map(([step, epoch, loss], index) => ({
    path: `${RUN}/checkpoints/epoch-${String(epoch).padStart(3, '0')}.safetensors`,
    name: `epoch-${String(epoch).padStart(3, '0')}.safetensors`,
    complete: index < epochs - 1 || epochs === EPOCHS,
    step,
    epoch,
    metrics: { 'val/loss': loss, 'val/accuracy': validationAccuracy[index]![2] },
  }));
  const average: AverageMark = {
    path: `${RUN}/averages/twa-1.safetensors`,
    name: 'twa-1.safetensors',
    reportPath: `${RUN}/averages/twa-1.twa-report.json`,
    method: 'twa',
    step: EPOCHS * STEPS,
    epoch: EPOCHS,
    sources: checkpoints.slice(-12).map(({ path }) => path),
    measured: [
      { name: 'accuracy', value: 0.9778, interval: { low: 0.9611, high: 0.9917 } },
      { name: 'loss', value: 0.0912, interval: { low: 0.0571, high: 0.1322 } },
    ],
    recommendation: 'Use TWA.',
  };
  return {
    directory: RUN,
    name: 'digits/runs/seed-1',
    series: [
      part('train/loss', trainLoss),
      part('val/loss', validationLoss),
      part('train/accuracy', trainAccuracy),
      part('val/accuracy', validationAccuracy),
      part('lr', rate),
    ],
    checkpoints,
    averages: epochs === EPOCHS ? [average] : [],
  };
}

export const curvesSnapshot = (run: CurvesRun | undefined, number = 1): ToCurves => ({
  kind: 'snapshot',
  number,
  more: false,
  scanning: false,
  wanted: run === undefined ? null : [run.directory],
  runs: [
    ...(run === undefined ? [] : [{ directory: run.directory, name: run.name }]),
    { directory: '/data/digits/runs/seed-2', name: 'digits/runs/seed-2' },
  ],
  shown: run === undefined ? [] : [run],
});

/** Runs of different lengths with times, the last one resumed from an earlier step. */
export function severalRuns(count = 4): readonly CurvesRun[] {
  return Array.from({ length: count }, (_, index): CurvesRun => {
    const directory = `/data/digits/runs/seed-${index + 1}`;
    const base = sampleRun(index === 1 ? 18 : EPOCHS - 1, false);
    const random = uniform(50 + index);
    const series = base.series.map((one): SeriesPart => {
      const worse = 1 + 0.25 * index + 0.1 * random();
      const again = index === count - 1 && one.tag.endsWith('loss') ? Math.floor(one.steps.length / 5) : 0;
      // The run was stopped, and resumed a fifth of its length before.
      const parts = again === 0 ? [one.steps.length] : [one.steps.length - again, one.steps.length];
      const order = parts.flatMap((to, at) =>
        Array.from({ length: at === 0 ? to : 2 * again }, (_, place) =>
          at === 0 ? place : to - 2 * again + place,
        ),
      );
      const pick = (column: Float64Array, change: (value: number, at: number) => number): Float64Array =>
        Float64Array.from(order, (place, at) => change(column[place]!, at));
      return {
        ...one,
        key: one.key.replace(RUN, directory),
        source: one.source.replace(RUN, directory),
        total: order.length,
        steps: pick(one.steps, (step) => step),
        epochs: pick(one.epochs!, (epoch) => epoch),
        values: pick(one.values, (value, at) =>
          one.tag.endsWith('loss') ? value * worse * (at < parts[0]! && again > 0 ? 1.15 : 1) : value / worse,
        ),
        wallTimes: pick(one.steps, (step, at) => Date.UTC(2026, 9, 14, 9 + index) + 2000 * step + 500 * at),
      };
    });
    return {
      ...base,
      directory,
      name: `digits/runs/seed-${index + 1}`,
      series,
      checkpoints: base.checkpoints.map((mark) => ({
        ...mark,
        path: mark.path.replace(RUN, directory),
        metrics: {},
      })),
    };
  });
}

export const runsSnapshot = (runs: readonly CurvesRun[], number = 1): ToCurves => ({
  kind: 'snapshot',
  number,
  more: false,
  scanning: false,
  wanted: runs.map(({ directory }) => directory),
  runs: [
    ...runs.map(({ directory, name }) => ({ directory, name })),
    { directory: '/data/digits/runs/other', name: 'digits/runs/other' },
  ],
  shown: runs,
});

const row = (
  id: string,
  label: string,
  metric: readonly [number, number, number],
  loss: readonly [number, number, number],
  versus?: readonly [number, number, number],
): TableRow => ({
  id,
  label,
  metric: metric[0],
  metricInterval: { low: metric[1], high: metric[2] },
  loss: loss[0],
  lossInterval: { low: loss[1], high: loss[2] },
  ...(versus === undefined
    ? {}
    : { metricVersusUniform: { difference: versus[0], low: versus[1], high: versus[2] } }),
  stopMetric: metric[0],
  stopLoss: loss[0],
});

export function sampleLossCurve(): readonly LossPoint[] {
  const random = uniform(3);
  return Array.from({ length: 61 }, (_, index): LossPoint => {
    const epoch = Math.ceil(index / 6);
    const fitLoss = 0.082 + 0.06 * Math.exp(-index / 14) + 0.008 * (random() - 0.5);
    if (index % 6 !== 0) return { step: index, epoch, fitLoss };
    const stopLoss =
      epoch === 6 ? 0.0912 : 0.0912 + 0.045 * Math.exp(-index / 12) + 0.0004 * Math.abs(index - 36);
    return { step: index, epoch, fitLoss, stopLoss, stopMetric: epoch === 6 ? 0.9778 : 0.9722 };
  });
}

/** Of a path that turns, in a space of forty dimensions, with one checkpoint twice and one far away. */
function walkGram(n: number): NonNullable<AverageReport['gram']> {
  const random = uniform(11);
  const at = new Float64Array(40);
  const rows: Float64Array[] = [];
  for (let i = 0; i < n; i++) {
    if (i !== 7)
      for (let d = 0; d < 40; d++)
        at[d]! += (random() - 0.5) * 0.6 + (d < 2 ? 0.35 * Math.cos(i / 6 + d) : 0);
    rows.push(Float64Array.from(at, (value) => value + (i === 3 ? 3 * (random() - 0.5) : 0)));
  }
  const mean = Float64Array.from(at, (_, d) => rows.reduce((sum, row) => sum + row[d]! / n, 0));
  const dot = (a: Float64Array, b: Float64Array): number =>
    a.reduce((sum, value, d) => sum + value * b[d]!, 0);
  const centred = rows.map((row) => row.map((value, d) => value - mean[d]!));
  return {
    centred: centred.map((row, i) => centred.slice(0, i + 1).map((other) => dot(row, other))),
    withMean: centred.map((row) => dot(row, mean)),
    meanSquared: dot(mean, mean),
  };
}

export function sampleMore(report = sampleReport()): ResultMore {
  const geometry = resultGeometry(report);
  return {
    ...(geometry === undefined ? {} : { geometry }),
    evaluations: [
      {
        command: 'python evaluate.py {checkpoint} --split test',
        directory: '/data/digits',
        value: 0.9764,
        at: '2026-10-14T12:09:00.000Z',
        milliseconds: 48_200,
      },
    ],
    can: ['evaluate', 'again', 'terminal', 'markdown', 'export'],
  };
}

export function sampleReport(evaluated = true): AverageReport {
  const sources = Array.from({ length: 20 }, (_, index) => ({
    path: `${RUN}/checkpoints/epoch-${String(index + 11).padStart(3, '0')}.safetensors`,
    size: 155_432,
    sha256: `${(index + 17).toString(16).padStart(2, '0')}c4f0a9b1d27e`.padEnd(64, '5e'),
    step: (index + 11) * STEPS,
    epoch: index + 11,
  }));
  const random = uniform(5);
  const raw = sources.map((_, index) => 0.02 + 0.006 * index + 0.07 * (random() - 0.55));
  const sum = raw.reduce((total, value) => total + value, 0);
  const coefficients = raw.map((value) => value / sum);
  const splits = evaluated
    ? {
        fit: 216,
        stop: 144,
        report: 360,
        origin: 'fit and stop: 60/40 of validation (seed 1); report: test, never used before',
      }
    : undefined;
  return {
    version: 1,
    output: `${RUN}/averages/twa-1.safetensors`,
    method: evaluated ? 'twa' : 'uniform',
    coefficients,
    splits,
    metric: evaluated ? { name: 'accuracy', goal: 'maximize' } : undefined,
    table: evaluated
      ? [
          row(
            'best',
            'Best single (epoch 27)',
            [0.9667, 0.9472, 0.9833],
            [0.1204, 0.0733, 0.1751],
            [-0.0111, -0.0222, 0],
          ),
          row(
            'last',
            'Last (epoch 30)',
            [0.9611, 0.9389, 0.9806],
            [0.1377, 0.0829, 0.2021],
            [-0.0167, -0.0306, -0.0028],
          ),
          {
            ...row('uniform', 'Plain average of 20', [0.9778, 0.9611, 0.9917], [0.0931, 0.0589, 0.1348]),
            coefficients: sources.map(() => 1 / sources.length),
          },
          {
            ...row(
              'twa',
              'TWA of 20',
              [0.9778, 0.9611, 0.9917],
              [0.0912, 0.0571, 0.1322],
              [0, -0.0056, 0.0056],
            ),
            coefficients,
          },
        ]
      : [],
    recommendation: evaluated
      ? {
          use: 'uniform',
          sentence:
            'Use the plain average: TWA is within noise of it, accuracy 0.9778 against 0.9778 (difference +0, 95 % interval -0.0056 to +0.0056, 360 report examples).',
          gain: 'Nothing was gained beyond noise over the best single (epoch 23): accuracy 0.9778 instead of 0.9667 (difference +0.011, 95 % interval +0 to +0.022).',
        }
      : {
          use: 'uniform',
          sentence:
            'Nothing was evaluated, because there was no task file: whether this average is better than its newest checkpoint is not known.',
        },
    lossCurve: evaluated ? sampleLossCurve() : [],
    notes: evaluated
      ? [
          'Two pairs of checkpoints are nearly the same: epochs 29 and 30 differ by 0.02 % of their norm.',
          'The report split has 360 examples: differences under about 1.5 points cannot be seen with it.',
        ]
      : [],
    ...(evaluated
      ? {
          bufferScores: [
            { mode: 'recalibrate', metric: 0.9778, loss: 0.0912 },
            { mode: 'average', metric: 0.9722, loss: 0.1034 },
            { mode: 'newest', metric: 0.9417, loss: 0.1851 },
          ] as const,
        }
      : {}),
    bufferMoves: Array.from({ length: 16 }, (_, index) => {
      const layer = `layer${1 + Math.floor(index / 4)}.${Math.floor(index / 2) % 2}.bn1`;
      return {
        name: `${layer}.running_${index % 2 === 0 ? 'mean' : 'var'}`,
        fromNewest: 0.02 + 0.3 * random(),
        fromAverage: evaluated ? 0.01 + 0.05 * random() : 0,
      };
    }),
    gram: walkGram(sources.length),
    step: 1200,
    epoch: 30,
    provenance: {
      tool: 'trainable-weight-averaging',
      version: '0.1.0',
      createdAt: '2026-10-14T12:03:00.000Z',
      coefficients,
      method: evaluated ? 'twa' : 'uniform',
      options: evaluated
        ? {
            rule: 'v4',
            fitData: 'validation',
            start: 'mean',
            epochs: 10,
            batchSize: 36,
            learningRate: 0.005,
            weightDecay: 0,
            momentum: 0.9,
            patience: 4,
            constraint: 'affine',
            schedule: 'cosine',
            granularity: 'one',
            ridge: 0,
            sparse: false,
          }
        : undefined,
      seed: 1,
      splits,
      buffers: evaluated ? 'recalibrate' : 'average',
      backend: evaluated ? 'wasm' : undefined,
      task: evaluated ? '/data/digits/twa.json' : undefined,
      sources,
      outputSha256: '9f2c51e07d3b'.padEnd(64, 'a8'),
    },
    timings: evaluated
      ? { reading: 210, backend: 850, baselines: 2100, training: 5400, writing: 95, evaluating: 640 }
      : { reading: 120, writing: 95 },
  };
}
