/**
 * How many gradient evaluations L-BFGS needs to reach the fit loss that a published rule ends at.
 *
 *     node bench/lbfgs.ts --task examples/digits/twa.json RUN-DIRECTORY [--newest 10] [--seed 1]
 *
 * The published rules run as they are by default (10 epochs of mini-batches). Then both are judged by the same number,
 * the loss over the whole fit split in training mode, and lbfgs, under the same constraint, counts its evaluations
 * until it is at or below. An evaluation of L-BFGS is over the whole fit split, one of a rule over a mini-batch, so
 * examples are counted as well.
 */
import { parseArgs } from 'node:util';
import { selectBackend } from '../src/compute/backends/select.ts';
import { TaskEngine } from '../src/compute/objective/engine.ts';
import { TfjsObjective } from '../src/compute/objective/objective.ts';
import { loadStack } from '../src/compute/objective/stack.ts';
import { optionsFor } from '../src/core/averaging/defaults.ts';
import { descend } from '../src/core/averaging/descend.ts';
import { iclr } from '../src/core/averaging/rules/iclr.ts';
import type { Rule } from '../src/core/averaging/rules/rule.ts';
import { v4 } from '../src/core/averaging/rules/v4.ts';
import { trainCoefficients, type Training } from '../src/core/averaging/train.ts';
import type { Objective } from '../src/core/averaging/types.ts';
import { expandPaths, requireComplete } from '../src/core/checkpoints/registry.ts';
import { loadTask } from '../src/core/task/load.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    task: { type: 'string', default: 'examples/digits/twa.json' },
    newest: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
  },
});
const seed = Number(options.seed);
const { label } = await selectBackend('auto', [process.cwd()]);
const paths = (await expandPaths(positionals)).slice(-Number(options.newest));
const headers = await Promise.all(paths.map((file) => requireComplete(file)));
const engine = await TaskEngine.open(await loadTask(options.task), headers.at(-1)!, {
  fitData: 'validation',
  seed,
});
const stack = await loadStack(
  headers,
  engine.model.weights.map(({ name }) => name),
);
const objective = new TfjsObjective(engine, stack);
const n = headers.length;
console.log(`${label}; ${n} checkpoints, ${objective.splits.fit} examples to fit on, seed ${seed}`);

/** Counts what is asked for, and can stop whoever asks too much. */
class Counted implements Objective {
  evaluations = 0;
  examples = 0;
  /** Loss and count at every evaluation over the whole fit split. */
  readonly whole: { readonly evaluations: number; readonly loss: number }[] = [];
  readonly #inner: Objective;
  #pending = { loss: 0, examples: 0 };

  constructor(inner: Objective) {
    this.#inner = inner;
  }

  get checkpoints() {
    return this.#inner.checkpoints;
  }
  get parameterCount() {
    return this.#inner.parameterCount;
  }
  get splits() {
    return this.#inner.splits;
  }
  get metric() {
    return this.#inner.metric;
  }
  get hasRunningStatistics() {
    return this.#inner.hasRunningStatistics;
  }
  gram = (signal?: AbortSignal) => this.#inner.gram(signal);
  evaluate: Objective['evaluate'] = (...args) => this.#inner.evaluate(...args);
  recalibrate: Objective['recalibrate'] = (...args) => this.#inner.recalibrate(...args);
  dispose = () => Promise.resolve();

  async lossAndGradient(...args: Parameters<Objective['lossAndGradient']>) {
    const found = await this.#inner.lossAndGradient(...args);
    const [, examples] = args;
    this.examples += examples.length;
    // Chunks of one evaluation over everything come one after another, the first with draw 0.
    if (args[3] === undefined || args[3] === 0) this.evaluations++;
    if (args[3] === 0) this.#pending = { loss: 0, examples: 0 };
    this.#pending = {
      loss: this.#pending.loss + found.loss * examples.length,
      examples: this.#pending.examples + examples.length,
    };
    if (this.#pending.examples === this.splits.fit) {
      this.whole.push({ evaluations: this.evaluations, loss: this.#pending.loss / this.splits.fit });
    }
    return found;
  }
}

const uniform = new Float64Array(n).fill(1 / n);
const start = {
  coefficients: uniform,
  stop: await objective.evaluate({ kind: 'mix', coefficients: uniform }, 'stop', 'recalibrate'),
};
const gram = await objective.gram();

/** Over the whole fit split, in the chunks and with the dropout masks of lbfgs: its first evaluation. */
async function fitLoss(coefficients: Float64Array): Promise<number> {
  const counted = new Counted(objective);
  const settings = {
    options: { ...optionsFor('lbfgs', { constraint: 'free' }), epochs: 1 },
    chooseRate: false,
    buffers: 'recalibrate',
    seed,
  } as const;
  await descend(counted, [gram], { ...start, coefficients }, settings, {});
  return counted.whole[0]!.loss;
}

const begin = await fitLoss(uniform);
for (const name of ['v4', 'iclr'] as const) {
  const given = optionsFor(name, {}, objective.splits.fit);
  const published = new Counted(objective);
  const settings = { options: given, chooseRate: true, buffers: 'recalibrate', seed } as const;
  const walk = <State>(rule: Rule<State>): Promise<Training> =>
    trainCoefficients(published, rule, start, settings, {});
  const { best } = await (name === 'v4' ? walk(v4(gram, given)) : walk(iclr(gram, given)));
  const reached = await fitLoss(best.coefficients);

  const ours = new Counted(objective);
  const full = { ...optionsFor('lbfgs', { constraint: given.constraint }), epochs: 25, patience: 25 };
  await descend(ours, [gram], start, { ...settings, options: full, chooseRate: false }, {});
  const there = ours.whole.find(({ loss }) => loss <= reached);
  const needed = there?.evaluations;
  console.log(
    `${name} (${given.constraint}): fit loss ${begin.toFixed(4)} -> ${reached.toFixed(4)} in ${published.evaluations} evaluations ` +
      `(${published.examples} examples); lbfgs ${
        needed === undefined
          ? `never (${ours.whole.at(-1)!.loss.toFixed(4)} after ${ours.evaluations})`
          : `there after ${needed} (${needed * objective.splits.fit} examples): 1/${(published.evaluations / needed).toFixed(1)}`
      }`,
  );
}
engine.dispose();
