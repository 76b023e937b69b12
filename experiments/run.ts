/**
 * The paper's claims on real training: `npm run experiments [-- --seeds 5 --only digits --stage head,tail]`.
 *
 * Trains three model and data pairs with five seeds and writes a JSON file per unit of work to experiments/results,
 * from which docs/results.md and its plots are made. Stopped and started again it goes on where it was. Weights are
 * kept in experiments/cache and made again when they are missing. About an hour on two cores that do nothing else.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { selectBackend } from '../src/compute/backends/select.ts';
import type { BackendChoice } from '../src/compute/protocol.ts';
import { measureCost } from './cost.ts';
import { problems } from './problems.ts';
import { writeResults } from './report.ts';
import { constant, full, head, POISONS, robustness, tail, tune, type Settings } from './stages.ts';
import { Results } from './units.ts';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    only: { type: 'string', default: problems.map(({ name }) => name).join(',') },
    stage: { type: 'string', default: 'head,tail,robustness,cost' },
    backend: { type: 'string', default: 'auto' },
    epochs: { type: 'string' },
    out: { type: 'string', default: path.join(import.meta.dirname, 'results') },
    cache: { type: 'string', default: path.join(import.meta.dirname, 'cache') },
    report: { type: 'string', default: path.join(import.meta.dirname, '..', 'docs', 'results.md') },
  },
});
const settings: Settings = {
  results: new Results(options.out),
  cache: options.cache,
  ...(options.epochs === undefined ? {} : { epochs: Number(options.epochs) }),
};
const stages = new Set(options.stage.split(','));
const chosen = problems.filter(({ name }) => options.only.split(',').includes(name));

const { label } = await selectBackend(options.backend as BackendChoice, [process.cwd()]);
console.log(`${label}, Node ${process.version}`);
const { backend: before } = await settings.results.unit('environment', () =>
  Promise.resolve({ backend: label, node: process.version, platform: `${process.platform} ${process.arch}` }),
);
if (before !== label) {
  throw new Error(
    `${options.out} was measured on ${before}, this is ${label}: name another --out, or a --backend.`,
  );
}
const report = () => writeResults(settings.results, options.report);

// "5" is 1 to 5, "3-5" those: several processes can share the work.
const [lowest, highest] = options.seeds.includes('-')
  ? options.seeds.split('-').map(Number)
  : [1, Number(options.seeds)];

// Seed by seed, so that what is there after an interruption is comparable.
for (let seed = lowest!; seed <= highest!; seed++) {
  for (const problem of chosen) {
    const tuned = await tune(problem, settings);
    if (stages.has('head')) {
      await full(problem, tuned, seed, settings);
      await constant(problem, tuned.rate, seed, settings);
      await head(problem, tuned, seed, settings);
    }
    if (stages.has('tail')) await tail(problem, tuned.rate, seed, settings);
    await report();
  }
  for (const problem of chosen) {
    const tuned = await tune(problem, settings);
    if (stages.has('robustness') && problem.name === 'digits') {
      for (const poison of POISONS) await robustness(problem, tuned, seed, poison, settings);
    }
    if (stages.has('tail')) {
      for (const factor of [1 / 3, 3]) {
        await tail(problem, Number((factor * tuned.rate).toPrecision(2)), seed, settings);
      }
    }
    await report();
  }
}
if (stages.has('cost')) await measureCost(settings.results);
await report();
