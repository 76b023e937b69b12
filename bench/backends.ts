/**
 * What a step costs on each backend, for three models (`tasks/reference-models.ts`):
 *
 *     node bench/backends.ts [--backend NAME]... [--model NAME]... [--root DIRECTORY] [--seconds 10] [--rounds 3] [--profile]
 *         [--step gradient|plain|"twa 20"|"twa 100"]...
 *
 * - forward + backward over a batch, all weights;
 * - a plain training step: forward, backward, SGD with momentum;
 * - a TWA step with 20 and with 100 checkpoints: mix, forward, backward, project; and its ratio to the plain step.
 *
 * `wasm-stock` is TensorFlow.js's own wasm backend with nothing but the kernels that it lacks: the peer, of which only
 * forward + backward is measured. `--root` is
 * where the packages of the native backends are (`DIRECTORY/node_modules`). Each backend and model runs in a process of
 * its own, one after another; within one, the kinds of step alternate, so that other work on the machine burdens all
 * alike. Prints medians of wall time and of processor time (which hardly suffers from what else runs), the memory at
 * its peak, and the FLOP rate (6 per multiplication of the forward pass). `--profile` adds the time by kernel.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { selectBackend } from '../src/compute/backends/select.ts';
import { TaskEngine } from '../src/compute/objective/engine.ts';
import { TfjsObjective } from '../src/compute/objective/objective.ts';
import { allocateRows } from '../src/compute/objective/simd-rows.ts';
import { centre, CheckpointStack } from '../src/compute/objective/stack.ts';
import type { BackendChoice } from '../src/compute/protocol.ts';
import { tf } from '../src/compute/tf.ts';
import type { TaskFile } from '../src/core/task/types.ts';
import { startStockWasm } from './tasks/stock-wasm.ts';
import { profileKernels } from './tasks/profile.ts';
import { BATCH_SIZES, type ReferenceModel } from './tasks/reference-models.ts';

const COUNTS = [20, 100];

const { values: options } = parseArgs({
  options: {
    backend: { type: 'string', multiple: true, default: ['wasm-stock', 'wasm', 'tensorflow', 'webgpu'] },
    model: { type: 'string', multiple: true, default: Object.keys(BATCH_SIZES) },
    root: { type: 'string', default: process.cwd() },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    step: { type: 'string', multiple: true, default: ['gradient', 'plain', 'twa 20', 'twa 100'] },
    profile: { type: 'boolean', default: false },
    child: { type: 'boolean', default: false },
  },
});

interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

interface Measured {
  readonly label: string;
  /** Null where no gradient was measured. */
  readonly gigaflops: number | null;
  readonly peakMegabytes: number;
  readonly steps: Readonly<Record<string, Cost & { readonly count: number }>>;
}

if (options.child) console.log(JSON.stringify(await measure(options.backend[0]!, options.model[0]!)));
else compare();

function compare(): void {
  const load = () => readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 1).join();
  for (const model of options.model) {
    console.log(
      `\n${model}, batch ${BATCH_SIZES[model]}; load ${process.platform === 'linux' ? load() : 'unknown'}`,
    );
    console.log(
      '| backend | forward + backward ms (CPU ms) | plain step | TWA 20 | TWA 100 | TWA 20 / plain | TWA 100 / plain | GFLOP/s | peak MB |',
    );
    console.log('|---|---|---|---|---|---|---|---|---|');
    for (const backend of options.backend) console.log(row(backend, model));
  }
}

function row(backend: string, model: string): string {
  const flags = [
    '--child',
    '--backend',
    backend,
    '--model',
    model,
    '--root',
    options.root,
    '--seconds',
    options.seconds,
    '--rounds',
    options.rounds,
    ...options.step.flatMap((step) => ['--step', step]),
  ];
  let output: string;
  try {
    output = execFileSync(
      process.execPath,
      [...process.execArgv, process.argv[1]!, ...flags, ...(options.profile ? ['--profile'] : [])],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', options.profile ? 'inherit' : 'pipe'],
      },
    );
  } catch (error) {
    const reason = String((error as { stderr?: unknown }).stderr ?? error);
    return `| ${backend} | ${/(?:Error: )(.*)/.exec(reason)?.[1] ?? reason} |`;
  }
  const { label, gigaflops, peakMegabytes, steps } = JSON.parse(
    output.trim().split('\n').at(-1)!,
  ) as Measured;
  const { gradient, plain } = steps;
  const twa = COUNTS.map((n) => steps[`twa ${n}`]);
  const time = (cost: Cost | undefined): string =>
    cost === undefined ? '-' : `${cost.wall.toFixed(1)} (${cost.cpu.toFixed(1)})`;
  const ratio = (cost: Cost | undefined): string =>
    cost === undefined || plain === undefined
      ? '-'
      : `${(cost.wall / plain.wall).toFixed(3)} (${(cost.cpu / plain.cpu).toFixed(3)})`;
  const cells = [
    label,
    time(gradient),
    time(plain),
    ...twa.map(time),
    ...twa.map(ratio),
    gigaflops?.toFixed(1) ?? '-',
    String(peakMegabytes),
  ];
  return `| ${cells.join(' | ')} |`;
}

async function measure(backend: string, model: string): Promise<Measured> {
  const label =
    backend === 'wasm-stock'
      ? await startStockWasm()
      : (await selectBackend(backend as BackendChoice, [path.resolve(options.root)])).label;
  const batchSize = BATCH_SIZES[model]!;
  const task: TaskFile = {
    path: path.join(import.meta.dirname, 'tasks', 'twa.json'),
    engine: 'tfjs',
    module: path.join(import.meta.dirname, 'tasks', `${model}.ts`),
    model: 'checkpoint',
    output: 'logits',
    loss: 'softmaxCrossEntropy',
    metric: { name: 'loss', goal: 'minimize' },
    batchSize,
  };
  const module = (await import(task.module!)) as { model(context: object): ReferenceModel };
  const initial = module.model({ tf });
  const tensors: { name: string; shape: number[]; values: Float32Array }[] = [];
  for (const [name, variable] of Object.entries(initial.weights)) {
    tensors.push({ name, shape: variable.shape, values: await variable.data<'float32'>() });
  }
  tf.dispose(initial.weights);
  const engine = await TaskEngine.open(
    task,
    {
      path: 'memory',
      format: 'memory',
      tensors: tensors.map(({ name, shape }) => ({ name, dtype: 'F32', shape })),
      metadata: {},
      files: [],
    },
    { fitData: 'validation', seed: 1 },
  );
  const variables = engine.model.weights.map(({ variable }) => variable);
  const optimizer = tf.train.momentum(1e-4, 0.9);
  const examples = Int32Array.from({ length: batchSize }, (_, k) => k);
  const { fit } = engine.splits;
  const withBatch = async (work: (batch: unknown) => Promise<void>): Promise<void> => {
    // A turn of the event loop, as tfjs's own training takes one between batches, and a TWA step to hear of a cancel:
    // collecting garbage is then part of the step that made it, and not of the next one of another kind.
    await new Promise(setImmediate);
    const batch = await engine.batch(
      fit.from,
      examples.map((k) => fit.indices[k]!),
    );
    await work(batch);
    tf.dispose(batch as never);
  };
  const steps: Record<string, () => Promise<unknown>> = {
    gradient: () =>
      withBatch(async (batch) => {
        const { value, grads } = tf.variableGrads(() => engine.trainingLoss(batch), variables);
        await value.data();
        // Work may be queued: what comes last must be there.
        await Object.values(grads)[0]!.data();
        tf.dispose([value, grads]);
      }),
    plain: () =>
      withBatch(async (batch) => {
        const cost = optimizer.minimize(() => engine.trainingLoss(batch), true, variables);
        await cost!.data();
        await variables[0]!.data();
        cost!.dispose();
      }),
  };
  if (backend === 'wasm-stock') delete steps['plain'];
  for (const n of backend === 'wasm-stock' ? [] : COUNTS) {
    const objective = new TfjsObjective(engine, stackNear(tensors, n));
    const coefficients = new Float64Array(n).fill(1 / n);
    steps[`twa ${n}`] = () => objective.lossAndGradient(coefficients, examples);
  }

  const wanted = Object.entries(steps).filter(([name]) => options.step.includes(name));
  const costs: Record<string, Cost[]> = Object.fromEntries(wanted.map(([name]) => [name, []]));
  for (const [, step] of wanted) await step();
  const report = options.profile ? profileKernels(backend.startsWith('wasm') ? 'wasm' : backend) : undefined;
  const end = performance.now() + 1000 * Number(options.seconds);
  do {
    for (const [name, step] of wanted) {
      costs[name]!.push(await timed(step));
      report?.(name);
    }
  } while (performance.now() < end || Object.values(costs)[0]!.length < Number(options.rounds));
  const gradient = costs['gradient'];
  return {
    label: backend === 'wasm-stock' ? `wasm-stock (${label})` : label,
    gigaflops: gradient === undefined ? null : (6 * initial.multiplications) / median(gradient, 'wall') / 1e6,
    peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
    steps: Object.fromEntries(
      Object.entries(costs).map(([name, list]) => [
        name,
        { wall: median(list, 'wall'), cpu: median(list, 'cpu'), count: list.length },
      ]),
    ),
  };
}

/** Checkpoints around the initial weights. */
function stackNear(
  tensors: readonly { name: string; shape: number[]; values: Float32Array }[],
  n: number,
): CheckpointStack {
  const rows = allocateRows(
    n,
    tensors.map(({ values }) => values.length),
  );
  return new CheckpointStack(
    Array.from({ length: n }, (_, i) => `checkpoint ${i}`),
    tensors.map(({ name, shape, values }, t) => {
      const tensor = rows[t]!;
      for (const [i, row] of tensor.rows.entries()) {
        for (let k = 0; k < values.length; k++) row[k] = values[k]! * (1 + 0.01 * Math.sin(i + 1 + k));
      }
      tensor.mean.set(centre(tensor.rows));
      return { name, shape, ...tensor };
    }),
  );
}

async function timed(work: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { wall, cpu: (user + system) / 1000 };
}

function median(costs: readonly Cost[], kind: keyof Cost): number {
  const sorted = costs.map((cost) => cost[kind]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
