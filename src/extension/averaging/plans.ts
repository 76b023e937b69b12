/** How to average: the short step between the choice of checkpoints and the work. */
import * as l10n from '@vscode/l10n';
import { EMA_DECAY, LAST_K } from '../../core/averaging/coefficients.ts';
import { DEFAULTS } from '../../core/averaging/defaults.ts';
import type { BufferMode, Method, MethodSettings, TwaOptions } from '../../core/averaging/types.ts';
import type { Dialogs, Option } from '../dialogs.ts';

export interface Plan {
  readonly method: Method;
  readonly options?: Partial<TwaOptions>;
  readonly settings?: MethodSettings;
  /** For `manual` and the start `given`, oldest checkpoint first. */
  readonly coefficients?: readonly number[];
  /** Of BatchNorm; absent: recalibrated where there are data. */
  readonly buffers?: BufferMode;
  /** What must be asked before the plan is whole. */
  readonly ask?: 'count' | 'decay' | 'coefficients' | 'twa';
}

export const UNIFORM: Plan = { method: 'uniform' };

const uniform = (): Option<Plan> => ({
  label: `$(merge) ${l10n.t('Uniform (SWA)')}`,
  detail: l10n.t('The plain mean: no training, the baseline to beat.'),
  value: UNIFORM,
});

const search = (): Option<Plan> => ({
  label: `$(search) ${l10n.t('Search Without Gradients')}`,
  detail: l10n.t('Shares of the checkpoints by CMA-ES, directly on the metric.'),
  value: { method: 'search' },
});

/** Those that look at no data. */
const formulas = (): readonly Option<Plan>[] => [
  {
    label: `$(history) ${l10n.t('Newest Checkpoints (LAWA)…')}`,
    detail: l10n.t('The plain mean of the newest few.'),
    value: { method: 'last-k', ask: 'count' },
  },
  {
    label: `$(graph-line) ${l10n.t('Moving Average (EMA)…')}`,
    detail: l10n.t('The newer a checkpoint, the more it counts.'),
    value: { method: 'ema', ask: 'decay' },
  },
  {
    label: `$(edit) ${l10n.t('Own Coefficients…')}`,
    detail: l10n.t('One number for each checkpoint.'),
    value: { method: 'manual', ask: 'coefficients' },
  },
];

/**
 * With a task; the first is the default, the same as the command line's (`DEFAULT_RULE`). Every result shows the best
 * single checkpoint and the simple averages as well.
 * @param gradients whether the task's engine has them: a command only evaluates
 */
export function planOptions(gradients = true): readonly Option<Plan>[] {
  const twa: readonly Option<Plan>[] = [
    {
      label: `$(beaker) ${l10n.t('TWA, coefficients sum to one')}`,
      description: l10n.t('default'),
      detail: l10n.t('Around the mean of the checkpoints, trained with AdamW (rule of the 2025 paper, v4).'),
      value: { method: 'twa', options: { rule: 'v4' } },
    },
    {
      label: `$(beaker) ${l10n.t('TWA, free coefficients')}`,
      detail: l10n.t('Over the span of the checkpoints, trained with SGD (rule of ICLR 2023).'),
      value: { method: 'twa', options: { rule: 'iclr' } },
    },
    {
      label: `$(beaker) ${l10n.t('TWA, shares of the checkpoints')}`,
      detail: l10n.t('No negative coefficients and no learning rate: L-BFGS on full batches.'),
      value: { method: 'twa', options: { rule: 'lbfgs' } },
    },
    {
      label: `$(settings) ${l10n.t('TWA, Step by Step…')}`,
      detail: l10n.t('Choose rule, constraint, granularity, start, data and how many checkpoints remain.'),
      value: { method: 'twa', ask: 'twa' },
    },
  ];
  return [
    ...(gradients ? twa : [search()]),
    uniform(),
    {
      label: `$(filter) ${l10n.t('Greedy Soup')}`,
      detail: l10n.t('From the best checkpoint on, each next one stays if it helps.'),
      value: { method: 'greedy' },
    },
    {
      label: `$(list-ordered) ${l10n.t('Best Checkpoints')}`,
      detail: l10n.t('The plain mean of the best 2, 4, 8, …, whichever is best on the stop split.'),
      value: { method: 'best-k' },
    },
    {
      label: `$(trash) ${l10n.t('As Few As Are Enough')}`,
      detail: l10n.t('The plain mean after leaving out, one by one, what is not missed.'),
      value: { method: 'prune' },
    },
    ...(gradients ? [search()] : []),
    ...formulas(),
  ];
}

export type WithoutTask = 'create' | Plan;

export function withoutTaskOptions(): readonly Option<WithoutTask>[] {
  return [
    {
      label: `$(new-file) ${l10n.t('Create Task File')}`,
      detail: l10n.t('TWA needs the model, the data and the metric: twa.json names them.'),
      value: 'create',
    },
    {
      label: `$(merge) ${l10n.t('Average Uniformly, Without Evaluation')}`,
      detail: l10n.t('The plain mean of the weights; nothing is measured.'),
      value: UNIFORM,
    },
    ...formulas(),
  ];
}

type Asking = Pick<Dialogs, 'input' | 'pickOne'>;

/**
 * Asks for what the plan still needs; undefined where the user turns away.
 * @param count of checkpoints
 * @param batchNorm whether their model has running statistics
 */
export async function complete(
  { ask, ...plan }: Plan,
  count: number,
  dialogs: Asking,
  title: string,
  batchNorm = false,
): Promise<Plan | undefined> {
  if (ask === undefined) return plan;
  switch (ask) {
    case 'count': {
      const text = await dialogs.input({
        title,
        prompt: l10n.t('How many of the newest?'),
        value: String(Math.min(LAST_K, count)),
        check: (given) =>
          /^\d+$/.test(given) && Number(given) >= 1 && Number(given) <= count
            ? undefined
            : l10n.t('A whole number from 1 to {0}.', count),
      });
      return text === undefined ? undefined : { ...plan, settings: { k: Number(text) } };
    }
    case 'decay': {
      const text = await dialogs.input({
        title,
        prompt: l10n.t('How much of the average stays at every checkpoint?'),
        value: String(EMA_DECAY),
        check: (given) =>
          isNumber(given) && Number(given) >= 0 && Number(given) < 1
            ? undefined
            : l10n.t('A number of at least 0 and below 1.'),
      });
      return text === undefined ? undefined : { ...plan, settings: { decay: Number(text) } };
    }
    case 'coefficients': {
      const coefficients = await askCoefficients(count, dialogs, title);
      return coefficients === undefined ? undefined : { ...plan, coefficients };
    }
    case 'twa': {
      const options = await askOptions(dialogs, title);
      if (options === undefined) return undefined;
      const coefficients =
        options.start === 'given' ? await askCoefficients(count, dialogs, title) : ('none' as const);
      if (coefficients === undefined) return undefined;
      const buffers = batchNorm ? await askBuffers(dialogs, title) : ('none' as const);
      if (buffers === undefined) return undefined;
      return {
        ...{ ...plan, options },
        ...(coefficients === 'none' ? {} : { coefficients }),
        ...(buffers === 'none' ? {} : { buffers }),
      };
    }
  }
}

async function askCoefficients(
  count: number,
  dialogs: Asking,
  title: string,
): Promise<readonly number[] | undefined> {
  const text = await dialogs.input({
    title,
    prompt: l10n.t('{0} numbers with commas between, the oldest checkpoint first.', count),
    value: new Array<string>(count).fill(String(Number((1 / count).toPrecision(3)))).join(', '),
    check: (given) => {
      const parts = given.split(',');
      return parts.length === count && parts.every((part) => isNumber(part.trim()))
        ? undefined
        : l10n.t('{0} numbers with commas between.', count);
    },
  });
  return text?.split(',').map(Number);
}

/** The result shows what each of them comes to on the stop split. */
function askBuffers(dialogs: Asking, title: string): Promise<BufferMode | undefined> {
  return dialogs.pickOne<BufferMode>(
    [
      {
        label: l10n.t('Recalibrated'),
        detail: l10n.t('Measured anew over training data: those of the averaged model itself.'),
        value: 'recalibrate',
      },
      { label: l10n.t('Averaged'), detail: l10n.t('As the weights.'), value: 'average' },
      { label: l10n.t('Of the newest checkpoint'), detail: l10n.t('As they are there.'), value: 'newest' },
    ],
    { title, placeholder: l10n.t('Which running statistics of BatchNorm?') },
  );
}

function isNumber(text: string): boolean {
  return text !== '' && Number.isFinite(Number(text));
}

/** One choice after another; the default of each comes first. */
async function askOptions(dialogs: Asking, title: string): Promise<Partial<TwaOptions> | undefined> {
  const pick = <T>(placeholder: string, options: readonly Option<T>[]): Promise<T | undefined> =>
    dialogs.pickOne(options, { title, placeholder });
  const option = <T>(value: T, label: string, detail: string): Option<T> => ({ label, detail, value });

  const rule = await pick(l10n.t('Trained how?'), [
    option('v4' as const, 'v4', l10n.t('AdamW around the mean (arXiv v4).')),
    option('iclr' as const, 'ICLR', l10n.t('SGD over the span (ICLR 2023).')),
    option('lbfgs' as const, 'L-BFGS', l10n.t('Full batches, no learning rate.')),
  ]);
  if (rule === undefined) return undefined;

  const usual = DEFAULTS[rule].constraint;
  const constraint = await pick(
    l10n.t('Which coefficients?'),
    [
      option('simplex' as const, l10n.t('Shares'), l10n.t('At least 0, and they sum to 1.')),
      option('affine' as const, l10n.t('Sum 1'), l10n.t('They may be negative.')),
      option('free' as const, l10n.t('Free'), l10n.t('Any numbers.')),
    ].sort((a, b) => Number(b.value === usual) - Number(a.value === usual)),
  );
  if (constraint === undefined) return undefined;

  const granularity = await pick(l10n.t('How many for each checkpoint?'), [
    option('one' as const, l10n.t('One'), l10n.t('Over-fits least.')),
    option('tensor' as const, l10n.t('One for each parameter tensor'), l10n.t('Needs much data to fit on.')),
    option(
      'groups' as const,
      l10n.t('One for each group'),
      l10n.t('The groups of the task file ("groups").'),
    ),
  ]);
  if (granularity === undefined) return undefined;

  const start = await pick(l10n.t('Starting where?'), [
    option(
      'mean' as const,
      l10n.t('Plain average'),
      l10n.t('As both papers for the first part of training.'),
    ),
    option('last' as const, l10n.t('Newest checkpoint'), l10n.t('For late checkpoints.')),
    option('best' as const, l10n.t('Best checkpoint'), l10n.t('When bad ones are among them.')),
    option('given' as const, l10n.t('Own Coefficients…'), l10n.t('One number for each checkpoint.')),
  ]);
  if (start === undefined) return undefined;

  const fitData = await pick(l10n.t('Fitted on which data?'), [
    option('validation' as const, l10n.t('Held-out validation data (TWA-v)'), l10n.t('Over-fits least.')),
    option('train' as const, l10n.t('Training data (TWA-t)'), l10n.t('When validation data are few.')),
  ]);
  if (fitData === undefined) return undefined;

  const sparse = await pick(l10n.t('How many checkpoints?'), [
    option(false, l10n.t('All that help'), l10n.t('Coefficients as trained.')),
    option(true, l10n.t('As few as are enough'), l10n.t('Leaves out what the stop split would not miss.')),
  ]);
  if (sparse === undefined) return undefined;

  const ridge = await dialogs.input({
    title,
    prompt: l10n.t('How strongly are coefficients pulled to the plain average? 0 is not at all.'),
    value: '0',
    check: (given) => (isNumber(given) && Number(given) >= 0 ? undefined : l10n.t('A number of at least 0.')),
  });
  if (ridge === undefined) return undefined;
  return { rule, constraint, granularity, start, fitData, sparse, ridge: Number(ridge) };
}
