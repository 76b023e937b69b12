/** The command line of `twa` that makes an average again, from its report. */
import { TwaError } from '../errors.ts';
import { DEFAULTS } from './defaults.ts';
import type { AverageReport, TwaOptions } from './types.ts';

const FLAGS: readonly (readonly [option: keyof TwaOptions, flag: string])[] = [
  ['constraint', 'constraint'],
  ['granularity', 'granularity'],
  ['fitData', 'fit-data'],
  ['start', 'start'],
  ['epochs', 'epochs'],
  ['batchSize', 'batch-size'],
  ['learningRate', 'learning-rate'],
  ['schedule', 'schedule'],
  ['weightDecay', 'weight-decay'],
  ['momentum', 'momentum'],
  ['patience', 'patience'],
  ['ridge', 'ridge'],
];

/**
 * Program and arguments, unquoted. Options are named where they differ from the rule's defaults.
 *
 * @param output the checkpoint to make
 * @param shown how a path is written, e.g. relative to where the command shall run
 * @throws TwaError `unsupported` where the report does not keep what the average began from.
 */
export function commandLine(
  report: AverageReport,
  output: string,
  shown: (path: string) => string = (path) => path,
): string[] {
  const { method, provenance } = report;
  const { settings = {}, options, task, buffers } = provenance;
  const value = (flag: string, given: string | number | undefined): string[] =>
    given === undefined ? [] : [`--${flag}`, String(given)];
  return [
    'twa',
    'average',
    ...provenance.sources.map(({ path }) => shown(path)),
    ...value('out', shown(output)),
    ...value('method', method),
    ...value('task', task === undefined ? undefined : shown(task)),
    // One text: a list may begin with a minus.
    ...(method === 'manual' ? [`--coefficients=${report.coefficients.join(',')}`] : []),
    ...(settings.k === undefined ? [] : ['-k', String(settings.k)]),
    ...value('decay', settings.decay),
    ...value('evaluations', settings.evaluations),
    ...value('metric', settings.metric),
    ...(options === undefined ? [] : optionsOf(options, provenance.blocks !== undefined)),
    ...value('buffers', buffers === 'none' ? undefined : buffers),
    ...value('seed', provenance.seed),
  ];
}

function optionsOf(options: TwaOptions, hasBlocks: boolean): string[] {
  if (options.start === 'given') {
    throw new TwaError(
      'unsupported',
      'This average began from coefficients given by hand, which its report does not keep: there is no command line for it.',
    );
  }
  const usual = DEFAULTS[options.rule];
  return [
    '--rule',
    options.rule,
    ...FLAGS.flatMap(([option, flag]) => {
      // The rate of a block follows its size only where the rule chooses it.
      const isChosen = option === 'learningRate' && (hasBlocks || options.rule === 'lbfgs');
      return options[option] === usual[option] || isChosen ? [] : [`--${flag}`, String(options[option])];
    }),
    ...(options.sparse ? ['--sparse'] : []),
  ];
}

/** For the system's usual shell; words that need no quotes have none. */
export function quoteWords(words: readonly string[], platform: NodeJS.Platform): string {
  return words
    .map((word) => {
      if (/^[\w@%+=:,./-]+$/.test(word) || (platform === 'win32' && /^[\w@%+=:,./\\-]+$/.test(word)))
        return word;
      // A Windows path holds no quotes.
      return platform === 'win32' ? `"${word}"` : `'${word.replaceAll("'", `'\\''`)}'`;
    })
    .join(' ');
}
