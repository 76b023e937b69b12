/** How to average, as menus and in words: the short step between the choice of checkpoints and the work. */
import * as l10n from '@vscode/l10n';
import { DEFAULT_RULE, DEFAULTS } from '../../core/averaging/defaults.ts';
import type { BufferMode, Method, MethodSettings, TwaOptions } from '../../core/averaging/types.ts';
import type { Option } from '../dialogs.ts';
import { methodLabel } from '../tree/describe.ts';
import { unusualFit } from './fitText.ts';

export interface Plan {
  readonly method: Method;
  readonly options?: Partial<TwaOptions>;
  readonly settings?: MethodSettings;
  /** For `manual` and the start `given`, oldest checkpoint first. */
  readonly coefficients?: readonly number[];
  /** Of BatchNorm; absent: recalibrated where there are data. */
  readonly buffers?: BufferMode;
  /** What must be asked before the plan is whole: see `questions.ts`. */
  readonly ask?: 'newest' | 'best' | 'decay' | 'coefficients' | 'search' | 'twa';
}

export const UNIFORM: Plan = { method: 'uniform' };

/** What can be asked about a method; absent: there is nothing to choose. */
export const QUESTIONS: { readonly [M in Method]?: NonNullable<Plan['ask']> } = {
  'last-k': 'newest',
  'best-k': 'best',
  ema: 'decay',
  manual: 'coefficients',
  search: 'search',
  twa: 'twa',
};

/** Whether coefficients are found by looking at data: these have a fit split and a seed. */
export const isFitted = ({ method }: Plan): boolean => method === 'twa' || method === 'search';

const uniform = (): Option<Plan> => ({
  label: `$(merge) ${l10n.t('Uniform (SWA)')}`,
  detail: l10n.t('The plain mean: no training, the baseline to beat.'),
  value: UNIFORM,
});

const search = (): Option<Plan> => ({
  label: `$(search) ${l10n.t('Search Without Gradients…')}`,
  detail: l10n.t('Shares of the checkpoints by CMA-ES, directly on the metric.'),
  value: { method: 'search', ask: 'search' },
});

/** Those that look at no data. */
const formulas = (): readonly Option<Plan>[] => [
  {
    label: `$(history) ${l10n.t('Newest Checkpoints (LAWA)…')}`,
    detail: l10n.t('The plain mean of the newest few.'),
    value: { method: 'last-k', ask: 'newest' },
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
      label: `$(list-ordered) ${l10n.t('Best Checkpoints…')}`,
      detail: l10n.t('The plain mean of the best few.'),
      value: { method: 'best-k', ask: 'best' },
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

/** "TWA (v4, simplex, epochs 5)", "newest (LAWA) (3)": what was chosen, without what is as usual. */
export function planText(plan: Plan): string {
  const { method, options = {}, settings = {}, buffers = 'recalibrate' } = plan;
  const { rule = DEFAULT_RULE, constraint, granularity, start, sparse } = options;
  const usual = DEFAULTS[method === 'search' ? 'lbfgs' : rule];
  const parts = [
    ...(method === 'twa' ? [rule] : []),
    ...(settings.k === undefined ? [] : [String(settings.k)]),
    ...(settings.decay === undefined ? [] : [l10n.t('decay {0}', settings.decay)]),
    ...(settings.evaluations === undefined ? [] : [l10n.t('{0} evaluations', settings.evaluations)]),
    ...(isFitted(plan)
      ? [
          ...(constraint === undefined || constraint === usual.constraint ? [] : [constraint]),
          ...(granularity === undefined || granularity === usual.granularity
            ? []
            : [l10n.t('coefficients per {0}', granularity)]),
          ...(start === undefined || start === usual.start
            ? []
            : [start === 'given' ? l10n.t('from own coefficients') : l10n.t('from the {0}', start)]),
          ...(method === 'twa' ? unusualFit(rule, options) : []),
          ...(sparse === true ? [l10n.t('as few as are enough')] : []),
        ]
      : []),
    ...(buffers === 'recalibrate' ? [] : [l10n.t('running statistics: {0}', buffers)]),
  ];
  const label = methodLabel(method);
  return parts.length === 0 ? label : `${label} (${parts.join(', ')})`;
}
