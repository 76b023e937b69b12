/** The last question before a pass: what will be done, every line of which can be changed. No VS Code here. */
import * as l10n from '@vscode/l10n';
import type { FitData } from '../../core/averaging/types.ts';
import type { Engine } from '../../core/task/types.ts';
import type { Option } from '../dialogs.ts';
import { formatBytes, formatDuration } from '../text.ts';

export interface Facts {
  readonly run: string;
  /** How many checkpoints. */
  readonly count: number;
  /** Tensors in each. */
  readonly tensors: number;
  /** Of all checkpoints, and of the average. */
  readonly readBytes: number;
  readonly writeBytes: number;
  /** On the disk of the average; undefined where the file system does not say. */
  readonly freeBytes: number | undefined;
  /** What the method is and how it is set, in words. */
  readonly plan: string;
  /** Whether the method can be set further. */
  readonly hasOptions: boolean;
  /** Whether coefficients are found by looking at data. */
  readonly isFitted: boolean;
  readonly fitData: FitData;
  /** Undefined: nothing is evaluated. */
  readonly engine: Engine | undefined;
  /** As a user reads it. */
  readonly task: string | undefined;
  /** What computes, where the engine is tfjs. */
  readonly backend: string;
  /** How the checkpoints are kept, by the engines tfjs and pytorch. */
  readonly memory: string;
  readonly seed: number;
  /** As a user reads it. */
  readonly output: string;
  /** Undefined: no such pass has been measured here. */
  readonly estimate: { readonly milliseconds: number; readonly from: string } | undefined;
}

export type Answer =
  | 'start'
  | 'checkpoints'
  | 'method'
  | 'options'
  | 'data'
  | 'backend'
  | 'memory'
  | 'output'
  | 'seed'
  | 'nothing';

export function summaryOptions(facts: Facts): readonly Option<Answer>[] {
  const { count, tensors, readBytes, writeBytes, freeBytes, engine, estimate } = facts;
  const isFull = freeBytes !== undefined && freeBytes < writeBytes;
  return [
    {
      label: `$(play) ${l10n.t('Start Averaging')}`,
      description: estimate === undefined ? '' : about(estimate.milliseconds),
      detail: `${facts.plan} → ${facts.output}`,
      value: 'start',
    },
    {
      group: l10n.t('Change'),
      label: `$(package) ${l10n.t('Checkpoints: {0} of {1}', count, facts.run)}`,
      value: 'checkpoints',
    },
    { label: `$(beaker) ${l10n.t('Method: {0}', facts.plan)}`, value: 'method' },
    ...(facts.hasOptions
      ? ([{ label: `$(settings) ${l10n.t('Options of the Method…')}`, value: 'options' }] as const)
      : []),
    ...(facts.isFitted
      ? ([
          {
            label: `$(database) ${
              facts.fitData === 'train'
                ? l10n.t('Fitted on: training data (TWA-t)')
                : l10n.t('Fitted on: held-out validation data (TWA-v)')
            }`,
            value: 'data',
          },
          { label: `$(symbol-numeric) ${l10n.t('Seed: {0}', facts.seed)}`, value: 'seed' },
        ] as const)
      : []),
    ...(engine === 'tfjs'
      ? ([{ label: `$(server-process) ${l10n.t('Backend: {0}', facts.backend)}`, value: 'backend' }] as const)
      : []),
    ...(engine === 'tfjs' || engine === 'pytorch'
      ? ([
          { label: `$(archive) ${l10n.t('Checkpoints kept as: {0}', facts.memory)}`, value: 'memory' },
        ] as const)
      : []),
    { label: `$(save) ${l10n.t('Output: {0}', facts.output)}`, value: 'output' },
    {
      group: l10n.t('Looked at before'),
      label: `$(check) ${l10n.t('{0} checkpoints fit together', count)}`,
      description: l10n.t('{0} tensors, the same names, shapes and types', tensors),
      value: 'nothing',
    },
    {
      label: `$(${isFull ? 'warning' : 'check'}) ${l10n.t('Reads {0}, writes {1}', formatBytes(readBytes), formatBytes(writeBytes))}`,
      description:
        freeBytes === undefined
          ? l10n.t('free space not known')
          : isFull
            ? l10n.t('only {0} free: it will not fit', formatBytes(freeBytes))
            : l10n.t('{0} free', formatBytes(freeBytes)),
      value: 'nothing',
    },
    {
      label: `$(watch) ${estimate === undefined ? l10n.t('Time not known') : about(estimate.milliseconds)}`,
      description:
        estimate === undefined
          ? l10n.t('no such pass has been measured here yet')
          : l10n.t('as {0} took, by number and size', estimate.from),
      value: 'nothing',
    },
    {
      label: `$(${facts.task === undefined ? 'info' : 'check'}) ${
        facts.task === undefined ? l10n.t('Nothing is evaluated') : l10n.t('Evaluated with {0}', facts.task)
      }`,
      ...(facts.task === undefined ? { description: l10n.t('there is no twa.json for this run') } : {}),
      value: 'nothing',
    },
  ];
}

const about = (milliseconds: number): string => l10n.t('about {0}', formatDuration(milliseconds));
