/** How to average: the one short step between the choice of checkpoints and the work. */
import * as l10n from '@vscode/l10n';
import type { Method, TwaRule } from '../../core/averaging/types.ts';
import type { Option } from '../dialogs.ts';

export interface Plan {
  readonly method: Extract<Method, 'uniform' | 'twa'>;
  readonly rule?: TwaRule;
}

export const UNIFORM: Plan = { method: 'uniform' };

/** With a task; the first is the default, the same as the command line's (`DEFAULT_RULE`). Every result shows the best single checkpoint and the uniform mean as well. */
export function planOptions(): readonly Option<Plan>[] {
  return [
    {
      label: `$(beaker) ${l10n.t('TWA, coefficients sum to one')}`,
      description: l10n.t('default'),
      detail: l10n.t('Around the mean of the checkpoints, trained with AdamW (rule of the 2025 paper, v4).'),
      value: { method: 'twa', rule: 'v4' },
    },
    {
      label: `$(beaker) ${l10n.t('TWA, free coefficients')}`,
      detail: l10n.t('Over the span of the checkpoints, trained with SGD (rule of ICLR 2023).'),
      value: { method: 'twa', rule: 'iclr' },
    },
    {
      label: `$(merge) ${l10n.t('Uniform (SWA)')}`,
      detail: l10n.t('The plain mean: no training, the baseline to beat.'),
      value: UNIFORM,
    },
  ];
}

export type WithoutTask = 'create' | 'uniform';

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
      value: 'uniform',
    },
  ];
}
