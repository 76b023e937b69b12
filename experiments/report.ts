/** docs/results.md and its plots, from the JSON files of the units that are done. Nothing in it is typed by hand. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Cost } from './cost.ts';
import { problems, type Problem } from './problems.ts';
import { POISONS, type Constant, type Full, type Pass, type Passes, type Tuned } from './stages.ts';
import { estimate, shown, type Estimate } from './statistics.ts';
import { dotPlot } from './svg.ts';
import type { Results, Seconds } from './units.ts';

/** Of the paper's claim for the head stage. */
const PAPER_SAVING = 0.4;

const KINDS = [
  { id: 'best', label: 'best single' },
  { id: 'last', label: 'last' },
  { id: 'uniform', label: 'plain average (SWA)' },
  { id: 'last-k', label: 'newest 6 (LAWA)' },
  { id: 'ema', label: 'moving average (EMA)' },
  { id: 'greedy', label: 'greedy soup' },
] as const;

type Fitted = Pick<Pass, 'rule' | 'constraint' | 'fitData'>;

const FITTED: readonly (Fitted & { readonly label: string })[] = [
  { rule: 'v4', fitData: 'validation', label: 'TWA-v, v4' },
  { rule: 'iclr', fitData: 'validation', label: 'TWA-v, iclr' },
  { rule: 'lbfgs', fitData: 'validation', label: 'TWA-v, lbfgs' },
  { rule: 'lbfgs', constraint: 'free', fitData: 'validation', label: 'TWA-v, lbfgs free' },
  { rule: 'v4', fitData: 'train', label: 'TWA-t, v4' },
];

const isOf = (pass: Pass, { rule, constraint, fitData }: Fitted): boolean =>
  pass.rule === rule && pass.constraint === constraint && pass.fitData === fitData;

interface Row {
  readonly label: string;
  readonly accuracy: number;
  readonly loss: number;
  readonly fitted: boolean;
}

/** Of one seed, all on the test split. The averages are those of the first pass: they are the same in all. */
function rowsOf({ passes }: Passes): Row[] {
  const held = passes.filter(({ fitData }) => fitData === 'validation');
  const row = (pass: Pass | undefined, id: string, label: string, fitted: boolean): Row[] => {
    const found = pass?.rows.find((one) => one.id === id);
    return found === undefined ? [] : [{ label, accuracy: found.metric, loss: found.loss, fitted }];
  };
  return [
    ...KINDS.flatMap(({ id, label }) => row(held[0], id, label, false)),
    ...FITTED.flatMap((fitted) =>
      row(
        passes.find((pass) => isOf(pass, fitted)),
        'twa',
        fitted.label,
        true,
      ),
    ),
  ];
}

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

interface Unit<T> {
  readonly name: string;
  readonly value: T;
}

interface Writer {
  readonly plot: (name: string, svg: string) => Promise<string>;
  /** The units whose names begin so. */
  readonly all: <T extends object>(prefix: string) => Promise<readonly Unit<T>[]>;
}

export async function writeResults(results: Results, file: string): Promise<void> {
  const plots = path.join(path.dirname(file), 'results');
  await mkdir(plots, { recursive: true });
  const names = (await readdir(results.directory))
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -5))
    .sort();
  const writer: Writer = {
    async plot(name, svg) {
      await writeFile(path.join(plots, `${name}.svg`), svg);
      return `![${name}](results/${name}.svg)`;
    },
    all: <T extends object>(prefix: string): Promise<readonly Unit<T>[]> =>
      Promise.all(
        names
          .filter((name) => name.startsWith(prefix))
          .map(async (name) => ({ name, value: (await results.get<T>(name))! })),
      ),
  };
  const environment = await results.get<{ backend: string; node: string; platform: string }>('environment');
  const sections: string[] = [];
  for (const problem of problems) sections.push(...(await headSection(problem, writer)));
  for (const problem of problems) sections.push(...(await tailSection(problem, writer)));
  sections.push(...(await robustnessSection(writer)), ...(await costSection(writer)));
  await writeFile(
    file,
    [
      '# TWA on real training',
      '',
      'Made by `npm run experiments`; every number is from a JSON file in `experiments/results`. ' +
        'Numbers are on test splits that no choice looked at, as mean ± half of the 95 % t-interval over seeds. ' +
        `Backend: ${environment?.backend ?? 'unknown'}, Node ${environment?.node ?? ''}, ${environment?.platform ?? ''}. ` +
        'Times are processor seconds of one process: on a machine with nothing else to do and a backend of one thread, ' +
        'about the time by the clock. Time saved is counted in epochs of plain training that the same process timed just ' +
        'before its passes, because other work on the machine slows both.',
      '',
      ...sections,
    ].join('\n'),
  );
}

async function tunedOf(problem: Problem, { all }: Writer): Promise<readonly Tuned[]> {
  return (await all<Tuned>(`tune-${problem.name}-`)).map(({ value }) => value);
}

async function headSection(problem: Problem, writer: Writer): Promise<string[]> {
  const { name } = problem;
  const heads = await writer.all<Passes>(`head-${name}-`);
  const fulls = await writer.all<Full>(`full-${name}-`);
  const constants = await writer.all<Constant>(`constant-${name}-`);
  const seeds = heads.flatMap(({ name: unit, value }) => {
    const seed = Number(unit.split('-').at(-1));
    const full = fulls.find((one) => one.value.plan.seed === seed)?.value;
    const run = constants.find(
      ({ value: one }) => one.plan.seed === seed && one.plan.rate === full?.plan.rate,
    )?.value;
    return full === undefined || run === undefined ? [] : [{ head: value, full, run, rows: rowsOf(value) }];
  });
  const [first] = seeds;
  if (first === undefined) return [`## Head stage: ${problem.label}`, '', 'Not run yet.', ''];
  const tuned = await tunedOf(problem, writer);
  const { plan } = first.full;
  const [, half] = first.head.epochs;

  const line = (
    label: string,
    pick: (at: (typeof seeds)[number]) => { accuracy: number; loss: number } | undefined,
  ) => {
    const found = seeds.flatMap((at) => {
      const one = pick(at);
      return one === undefined ? [] : [{ one, full: at.full.last }];
    });
    return {
      label,
      accuracy: estimate(found.map(({ one }) => one.accuracy)),
      loss: estimate(found.map(({ one }) => one.loss)),
      accuracyGap: estimate(found.map(({ one, full }) => one.accuracy - full.accuracy)),
      lossGap: estimate(found.map(({ one, full }) => one.loss - full.loss)),
    };
  };
  const lines = [
    line('full schedule, last epoch', ({ full }) => full.last),
    line('full schedule, early stopping', ({ full }) => full.early),
    ...first.rows.map(({ label }) => line(label, ({ rows }) => rows.find((row) => row.label === label))),
  ];
  const image = await writer.plot(
    `head-${name}-loss`,
    dotPlot(
      `Head stage, ${problem.label}`,
      'test loss, lower is better',
      lines.map(({ label, loss }) => ({
        label,
        value: loss.mean,
        half: loss.half,
        strong: label.startsWith('TWA'),
      })),
      lines[0]!.loss.mean,
    ),
  );
  const accuracyImage = await writer.plot(
    `head-${name}-accuracy`,
    dotPlot(
      `Head stage, ${problem.label}`,
      'test accuracy, higher is better',
      lines.map(({ label, accuracy }) => ({
        ...{ label, value: accuracy.mean, half: accuracy.half },
        strong: label.startsWith('TWA'),
      })),
      lines[0]!.accuracy.mean,
    ),
  );

  const savings = FITTED.map((fitted) => {
    const { label } = fitted;
    const saved = seeds.flatMap(({ head, full }) => {
      const pass = head.passes.find((one) => isOf(one, fitted));
      if (pass === undefined || head.plainEpoch === undefined) return [];
      const { epochs } = full.plan;
      return [(epochs - half - costOf(pass) / head.plainEpoch.cpu) / epochs];
    });
    const training = seeds.flatMap(({ head }) => head.passes.filter((one) => isOf(one, fitted)).map(costOf));
    const epochs = seeds.flatMap(({ head }) =>
      head.passes
        .filter((one) => isOf(one, fitted))
        .map(({ gradientExamples, trainExamples }) => gradientExamples / trainExamples),
    );
    const reached = lines.find((one) => one.label === label);
    return {
      ...{ label, reached, saved: estimate(saved) },
      ...{ training: estimate(training), epochs: estimate(epochs) },
    };
  });

  return [
    `## Head stage: ${problem.label}`,
    '',
    `The full training is ${plan.epochs} epochs, ${plan.schedule} schedule, learning rate ${plan.rate}: the lowest ` +
      `validation loss of ${tuned.length} trainings with another seed (${tuned
        .map(({ schedule, rate, validation }) => `${schedule} ${rate}: ${validation.loss.toFixed(3)}`)
        .join(
          ', ',
        )}). The averages are over the ${half} checkpoints of the first ${half} epochs at that rate, constant. ` +
      `${seeds.length} seed(s).`,
    '',
    table(
      ['', 'accuracy', 'loss', 'accuracy minus full schedule', 'loss minus full schedule'],
      lines.map(({ label, accuracy, loss, accuracyGap, lossGap }, at) => [
        label,
        shown(accuracy),
        shown(loss),
        at === 0 ? '' : shown(accuracyGap),
        at === 0 ? '' : shown(lossGap),
      ]),
    ),
    '',
    image,
    '',
    accuracyImage,
    '',
    `Epochs saved: ${plan.epochs - half} of ${plan.epochs}. What is left of that after the time of TWA itself ` +
      `(coefficients and their choice on the stop split; the paper claims more than ${100 * PAPER_SAVING} % of training time). ` +
      fitWords(first.head),
    '',
    table(
      [
        '',
        'gradients, in epochs of training',
        'cost of TWA, s',
        'time saved',
        'accuracy of the full schedule',
        'loss of the full schedule',
      ],
      savings.map(({ label, saved, training, epochs, reached }) => [
        label,
        shown(epochs, 1),
        shown(training, 2),
        `${shown({ ...saved, mean: 100 * saved.mean, half: 100 * saved.half }, 1)} %`,
        reached === undefined ? '' : reachedWords(reached.accuracyGap, 'higher'),
        reached === undefined ? '' : reachedWords(reached.lossGap, 'lower'),
      ]),
    ),
    '',
  ];
}

/** Why TWA is cheap or dear here. */
function fitWords({ passes }: Passes): string {
  const pass = passes.find(({ fitData }) => fitData === 'validation')!;
  const share = (100 * pass.splits.fit) / pass.trainExamples;
  return (
    `TWA-v takes gradients over ${pass.splits.fit} held-out examples, an epoch of training over ${pass.trainExamples}: ` +
    `${share.toFixed(0)} %, where the paper holds out 10 % or less.`
  );
}

/** Processor seconds of finding the coefficients, the baselines apart. */
function costOf({ seconds }: Pass): number {
  const { training }: { training?: Seconds } = seconds;
  return training?.cpu ?? NaN;
}

function reachedWords({ mean, half, count }: Estimate, better: 'higher' | 'lower'): string {
  if (count < 2) return `${signed(mean)} (one seed)`;
  const gain = better === 'higher' ? mean : -mean;
  if (gain - half > 0) return `better by ${Math.abs(mean).toFixed(4)}`;
  if (gain + half < 0) return `not reached, worse by ${Math.abs(mean).toFixed(4)}`;
  return `within noise (${signed(mean)})`;
}

const signed = (value: number): string => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(4)}`;

async function tailSection(problem: Problem, writer: Writer): Promise<string[]> {
  const units = await writer.all<Passes>(`tail-${problem.name}-`);
  if (units.length === 0) return [];
  const rates = [...new Set(units.map(({ name }) => Number(name.split('-')[2])))].sort((a, b) => a - b);
  const byRate = rates.map((rate) =>
    units.filter(({ name }) => Number(name.split('-')[2]) === rate).map(({ value }) => rowsOf(value)),
  );
  const labels = byRate.find((seeds) => seeds.length > 0)![0]!.map(({ label }) => label);
  const of = (seeds: readonly Row[][], label: string, what: 'loss' | 'accuracy'): Estimate =>
    estimate(seeds.flatMap((rows) => rows.filter((row) => row.label === label).map((row) => row[what])));
  const body = (what: 'loss' | 'accuracy') =>
    labels.map((label) => {
      const found = byRate.map((seeds) => of(seeds, label, what));
      const means = found.map(({ mean }) => mean);
      return { label, found, spread: Math.max(...means) - Math.min(...means) };
    });
  const section = (what: 'loss' | 'accuracy'): string =>
    table(
      [what, ...rates.map((rate) => `rate ${rate}`), 'between rates'],
      body(what).map(({ label, found, spread }) => [
        label,
        ...found.map((one) => shown(one)),
        rates.length < 2 ? '' : spread.toFixed(4),
      ]),
    );
  const image = await writer.plot(
    `tail-${problem.name}-loss`,
    dotPlot(
      `Tail stage, ${problem.label}`,
      'test loss, lower is better',
      body('loss').flatMap(({ label, found }) =>
        found.map((one, at) => ({
          label: `${label}, rate ${rates[at]!}`,
          value: one.mean,
          half: one.half,
          strong: label.startsWith('TWA'),
        })),
      ),
    ),
  );
  const [from, to] = units[0]!.value.epochs;
  return [
    `## Tail stage: ${problem.label}`,
    '',
    `Checkpoints of epochs ${from} to ${to} at a constant rate; seeds per rate: ${byRate.map((seeds) => seeds.length).join(', ')}. ` +
      '"Between rates" is the largest mean minus the smallest: how much a method depends on the rate.',
    '',
    section('accuracy'),
    '',
    section('loss'),
    '',
    image,
    '',
  ];
}

async function robustnessSection(writer: Writer): Promise<string[]> {
  const units = await writer.all<Passes>('robustness-digits-');
  if (units.length === 0) return [];
  const of = (poison: string): Map<number, Row[]> =>
    new Map(
      units
        .filter(({ name }) => name.split('-')[2] === poison)
        .map(({ name, value }) => [Number(name.split('-')[3]), rowsOf(value)]),
    );
  const clean = of('clean');
  const labels = [...clean.values()][0]?.map(({ label }) => label) ?? [];
  const poisons = POISONS.filter((poison) => poison !== 'clean');
  const gap = (poison: string, label: string): Estimate => {
    const differences = [...of(poison)].flatMap(([seed, rows]) => {
      const [a, b] = [rows, clean.get(seed) ?? []].map((all) => all.find((row) => row.label === label));
      return a === undefined || b === undefined ? [] : [a.accuracy - b.accuracy];
    });
    return estimate(differences);
  };
  return [
    '## Robustness: one bad checkpoint among those of the tail (digits)',
    '',
    `What each method's test accuracy loses or gains; ${clean.size} seed(s). Random: the initial weights. Diverged: twenty times ` +
      'the way of one epoch. Noise: as large as the weights.',
    '',
    table(
      ['', ...poisons],
      labels.map((label) => [label, ...poisons.map((poison) => shown(gap(poison, label)))]),
    ),
    '',
  ];
}

async function costSection(writer: Writer): Promise<string[]> {
  const units = await writer.all<Cost>('cost-');
  if (units.length === 0) return [];
  const rows = units.map(({ value }) => value).sort((a, b) => a.parameters - b.parameters || a.n - b.n);
  return [
    '## Cost of a step and of the Gram matrix, against n and D',
    '',
    'A perceptron of two hidden layers, batch 64; medians of 15 steps in turn with plain training steps (momentum).',
    '',
    table(
      ['D', 'n', 'plain step, ms', 'TWA step, ms', 'ratio', 'Gram, ms', 'stack, MB', 'process, MB'],
      rows.map(({ n, parameters, plainStep, twaStep, gram, stack, resident }) => [
        String(parameters),
        String(n),
        plainStep.toFixed(2),
        twaStep.toFixed(2),
        (twaStep / plainStep).toFixed(2),
        gram.toFixed(1),
        (stack / 1e6).toFixed(1),
        (resident / 1e6).toFixed(0),
      ]),
    ),
    '',
  ];
}
