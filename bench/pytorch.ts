/**
 * TWA in PyTorch as published at ICLR 2023 (our transcription, `published.py`) against engine pytorch, on the same
 * checkpoints, model, batches, learning rates and device, in one run.
 *
 *     TWA_PYTHON=venv/bin/python node bench/pytorch.ts [--model resnet20] [--n 20] [--batch 32] [--rounds 6]
 *         [--block 5] [--warmup 20] [--every 1] [--memory f32] [--threads 1] [--json FILE]
 *
 * The checkpoints are those of a short training: one every so many steps after a warm-up.
 *
 * Both processes are there all the time and take turns, a block of steps each: plain training, the published rule,
 * ours. On a machine that others use the clock says little, so times are also given as processor time of all threads
 * (of ours: of Python and of this process, which optimises the coefficients); ratios are medians over the rounds of what
 * was measured within one round. Memory is the peak of resident memory from before the checkpoints are read until the
 * first steps are done, over what was resident then; pages of mapped files count.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { openEngine } from '../src/compute/engine.ts';
import { MEMORY_MODES } from '../src/compute/protocol.ts';
import { DEFAULTS } from '../src/core/averaging/defaults.ts';
import { permutation, seededRandom } from '../src/core/averaging/rng.ts';
import { iclr } from '../src/core/averaging/rules/iclr.ts';
import { carveSplits } from '../src/core/averaging/splits.ts';
import { requireComplete } from '../src/core/checkpoints/registry.ts';
import type { TaskFile } from '../src/core/task/types.ts';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'resnet20' },
    n: { type: 'string', default: '20' },
    batch: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '6' },
    block: { type: 'string', default: '5' },
    warmup: { type: 'string', default: '20' },
    every: { type: 'string', default: '1' },
    memory: { type: 'string', default: 'f32' },
    threads: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
const [n, batch, rounds, block, warmup] = [
  options.n,
  options.batch,
  options.rounds,
  options.block,
  options.warmup,
].map(Number) as [number, number, number, number, number];
const memory = MEMORY_MODES.find((mode) => mode === options.memory) ?? 'f32';
const SEED = 1;
/** As `SIZES` in `tasks/published.py`. */
const SIZES = { train: 512, validation: 1024, test: 128 };
/** Batches that losses are compared on. */
const LOSS_BATCHES = 8;

const here = import.meta.dirname;
const python = process.env['TWA_PYTHON'] ?? 'python3';
process.env['TWA_BENCH_MODEL'] = options.model;
process.env['OMP_NUM_THREADS'] = options.threads;
process.env['MKL_NUM_THREADS'] = options.threads;

interface Answer {
  readonly seconds: number;
  readonly [field: string]: unknown;
}

/** The process of `published.py`. */
async function startPublished() {
  const child = spawn(python, [path.join(here, 'published.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async (): Promise<Answer> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('published.py ended.');
    return JSON.parse(value) as Answer;
  };
  const hello = await read();
  return {
    pid: child.pid!,
    hello,
    ask: (kind: string, fields: object = {}): Promise<Answer> => {
      child.stdin.write(`${JSON.stringify({ kind, ...fields })}\n`);
      return read();
    },
    async close() {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

/** Seconds that all threads of a process have spent on a processor. */
async function processorSeconds(pid: number): Promise<number> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const each = tasks.map((task) => readFile(`/proc/${pid}/task/${task}/schedstat`, 'utf8'));
  return (await Promise.all(each)).reduce((sum, text) => sum + Number(text.split(' ')[0]) / 1e9, 0);
}

const statusOf = async (pid: number, field: string): Promise<number> =>
  1024 *
  Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]);

/** Begins to follow the peak of resident memory; gives a function that tells its growth in bytes. */
async function followMemory(pid: number): Promise<() => Promise<number>> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
  const before = await statusOf(pid, 'VmRSS');
  return async () => (await statusOf(pid, 'VmHWM')) - before;
}

async function children(): Promise<number[]> {
  const tasks = await readdir('/proc/self/task');
  const each = tasks.map((task) => readFile(`/proc/self/task/${task}/children`, 'utf8'));
  return (await Promise.all(each)).flatMap((text) => text.trim().split(' ').filter(Boolean).map(Number));
}

interface Cost {
  readonly wall: number;
  readonly processor: number;
}

async function cost(pids: readonly number[], work: () => Promise<unknown>): Promise<Cost> {
  const total = async () => (await Promise.all(pids.map(processorSeconds))).reduce((a, b) => a + b, 0);
  const before = await total();
  const start = performance.now();
  await work();
  return { wall: (performance.now() - start) / 1000, processor: (await total()) - before };
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
};

const directory = await mkdtemp(path.join(tmpdir(), 'twa-published-'));
try {
  const before = loadavg()[0]!;
  const maker = await startPublished();
  const every = Number(options.every);
  const made = await maker.ask('make', { directory, n, batch, warmup, every, rate: 0.05 });
  await maker.close();
  const files = (await readdir(directory)).sort().map((name) => path.join(directory, name));
  const headers = await Promise.all(files.map((file) => requireComplete(file)));

  const task: TaskFile = {
    path: path.join(here, 'tasks', 'twa.json'),
    engine: 'pytorch',
    module: path.join(here, 'tasks', 'published.py'),
    model: 'checkpoint',
    output: 'logits',
    metric: { name: 'accuracy', goal: 'maximize' },
    batchSize: batch,
  };
  const { signal } = new AbortController();
  const context = { signal, onProgress: () => undefined, log: () => undefined };
  const published = await startPublished();
  const others = new Set(await children());
  const engine = await openEngine(
    {
      task,
      template: headers.at(-1)!,
      fitData: 'validation',
      seed: SEED,
      backend: 'auto',
      pytorch: { memory },
    },
    context,
  );
  // Both processes have model and data, and have not computed anything yet.
  const engineId = (await children()).find((pid) => !others.has(pid))!;
  const ours = [engineId, process.pid];

  // Setting up: from files to everything that the first step needs.
  const oursPeak = await followMemory(engineId);
  let objective!: Awaited<ReturnType<typeof engine.load>>;
  let rule!: ReturnType<typeof iclr>;
  const oursSetup = await cost(ours, async () => {
    objective = await engine.load(headers, { signal });
    rule = iclr(await objective.gram(), DEFAULTS.iclr);
  });
  const publishedPeak = await followMemory(published.pid);
  let parameters = 0;
  const publishedSetup = await cost([published.pid], async () => {
    parameters = Number((await published.ask('setup', { checkpoints: files, rate: 1e-6 }))['parameters']);
  });

  // The same batches for both: `fit` counts within the fit split, `rows` in the user's validation split.
  const { fit } = carveSplits(SIZES, 'validation', SEED);
  const order = permutation(seededRandom(SEED, 'bench'), fit.indices.length);
  const batchAt = (step: number) => {
    const picked = Int32Array.from({ length: batch }, (_, k) => order[(step * batch + k) % order.length]!);
    return { fit: picked, rows: [...picked].map((example) => fit.indices[example]!) };
  };
  const steps = rounds * block;
  const mean = new Float64Array(n).fill(1 / n);
  const lossBatches = Array.from({ length: LOSS_BATCHES }, (_, k) => batchAt(k));
  const oursLoss = async (coefficients: Float64Array): Promise<number> => {
    let sum = 0;
    for (const each of lossBatches) sum += (await objective.lossAndGradient(coefficients, each.fit)).loss;
    return sum / LOSS_BATCHES;
  };
  const publishedLoss = async () =>
    Number((await published.ask('loss', { batches: lossBatches.map(({ rows }) => rows) }))['loss']);

  const gradients = [];
  for (let k = 0; k < 3; k++)
    gradients.push((await objective.lossAndGradient(mean, batchAt(k).fit)).gradient);
  const rate = rule.learningRate({ gradients, steps });
  const rateAt = (step: number): number => rate * rule.schedule({ step, steps, epoch: step, epochs: steps });
  // Plain steps would need memory of their own in the process of the published rule.
  await published.ask('step', { batches: [batchAt(0).rows], rate: 1e-6 });
  const peak = { ours: await oursPeak(), published: await publishedPeak() };
  await published.ask('rewind', { rate });
  const startLoss = { ours: await oursLoss(mean), published: await publishedLoss() };

  let state = rule.init(mean);
  const costs: { plain: Cost; published: Cost; ours: Cost }[] = [];
  for (let round = 0; round < rounds; round++) {
    const numbers = Array.from({ length: block }, (_, k) => round * block + k);
    const batches = numbers.map((step) => batchAt(step).rows);
    const plain = await cost([published.pid], () => published.ask('plain', { batches }));
    const ofPublished = await cost([published.pid], async () => {
      for (const [k, step] of numbers.entries())
        await published.ask('step', { batches: [batches[k]], rate: rateAt(step) });
    });
    const ofOurs = await cost(ours, async () => {
      for (const step of numbers) {
        const { gradient } = await objective.lossAndGradient(rule.coefficients(state), batchAt(step).fit);
        state = rule.update(state, gradient, rateAt(step));
      }
    });
    costs.push({ plain, published: ofPublished, ours: ofOurs });
  }
  const endLoss = { ours: await oursLoss(rule.coefficients(state)), published: await publishedLoss() };
  const orthogonalityOf = async () => Number((await published.ask('orthogonality'))['error']);
  const orthogonality = await orthogonalityOf();

  // Where the two differ, is it the rule or the float32 basis? The same steps with a basis that is orthonormal.
  await published.ask('mend', { checkpoints: files });
  await published.ask('rewind', { rate });
  for (let step = 0; step < steps; step++)
    await published.ask('step', { batches: [batchAt(step).rows], rate: rateAt(step) });
  const mended = { loss: await publishedLoss(), orthogonality: await orthogonalityOf() };

  const perStep = (kind: 'plain' | 'published' | 'ours', what: keyof Cost) =>
    (1000 * median(costs.map((each) => each[kind][what]))) / block;
  const overPlain = (kind: 'published' | 'ours', what: keyof Cost) =>
    median(costs.map((each) => each[kind][what] / each.plain[what]));
  const result = {
    ...{ model: options.model, n, every, parameters, batch, steps, threads: Number(options.threads), memory },
    torch: String(published.hello['torch']),
    load: [before, loadavg()[0]!],
    setup: { ours: oursSetup, published: publishedSetup },
    step: Object.fromEntries(
      (['wall', 'processor'] as const).map((what) => [
        what,
        {
          plain: perStep('plain', what),
          published: perStep('published', what),
          ours: perStep('ours', what),
          publishedOverPlain: overPlain('published', what),
          oursOverPlain: overPlain('ours', what),
        },
      ]),
    ),
    peak,
    matrix: 4 * n * parameters,
    orthogonality,
    mended,
    rate,
    checkpointLoss: Number(made['loss']),
    loss: { start: startLoss, end: endLoss },
  };
  console.log(JSON.stringify(result, undefined, 1));
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(result, undefined, 1)}\n`);
  await objective.dispose();
  await engine.dispose();
  await published.close();
} finally {
  await rm(directory, { recursive: true, force: true });
}
