/** The numbers of a fit as one line of text, by the names that the command line has for them. */
import * as l10n from '@vscode/l10n';
import { DEFAULTS, optionsFor } from '../../core/averaging/defaults.ts';
import { SCHEDULES } from '../../core/averaging/methods.ts';
import type { Schedule, TwaOptions, TwaRule } from '../../core/averaging/types.ts';
import { TwaError } from '../../core/errors.ts';

const NAMES = {
  epochs: 'epochs',
  patience: 'patience',
  ridge: 'ridge',
  schedule: 'schedule',
  'weight-decay': 'weightDecay',
  momentum: 'momentum',
  'batch-size': 'batchSize',
  'learning-rate': 'learningRate',
} as const satisfies Readonly<Record<string, keyof TwaOptions>>;
type Name = keyof typeof NAMES;

/** What the rule does not use. */
const UNUSED: Readonly<Record<TwaRule, readonly Name[]>> = {
  v4: ['momentum'],
  iclr: [],
  lbfgs: ['schedule', 'weight-decay', 'momentum', 'learning-rate'],
};

/** A pass chooses these for the checkpoints and the data at hand. */
const CHOSEN: readonly Name[] = ['batch-size', 'learning-rate'];

const namesOf = (rule: TwaRule): Name[] =>
  (Object.keys(NAMES) as Name[]).filter((name) => !UNUSED[rule].includes(name));

/** "epochs 10, patience 3, ridge 0": what `now` says, else the rule's defaults. */
export function writeFit(rule: TwaRule, now: Partial<TwaOptions> = {}): string {
  return namesOf(rule)
    .filter((name) => now[NAMES[name]] !== undefined || !CHOSEN.includes(name))
    .map((name) => `${name} ${String(now[NAMES[name]] ?? DEFAULTS[rule][NAMES[name]])}`)
    .join(', ');
}

/** As {@link writeFit}, but only what is not as usual, one by one. */
export function unusualFit(rule: TwaRule, now: Partial<TwaOptions>): readonly string[] {
  return namesOf(rule)
    .filter((name) => (now[NAMES[name]] ?? DEFAULTS[rule][NAMES[name]]) !== DEFAULTS[rule][NAMES[name]])
    .map((name) => `${name} ${String(now[NAMES[name]])}`);
}

/** The options, or what is wrong. */
export function parseFit(text: string, rule: TwaRule): Partial<TwaOptions> | string {
  const options: Record<string, number | Schedule> = {};
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part === '') continue;
    const [given = '', value = '', ...rest] = part.split(/[\s=]+/);
    const name = namesOf(rule).find((one) => one === given);
    if (name === undefined) {
      return l10n.t('"{0}" is none of these: {1}.', given, namesOf(rule).join(', '));
    }
    const number = value === '' ? NaN : Number(value);
    const schedule = SCHEDULES.find((one) => one === value);
    if (name === 'schedule' ? schedule === undefined : Number.isNaN(number) || rest.length > 0) {
      const expected = name === 'schedule' ? SCHEDULES.join(', ') : l10n.t('a number');
      return l10n.t('{0} is {1}, not "{2}".', name, expected, [value, ...rest].join(' '));
    }
    options[NAMES[name]] = name === 'schedule' ? schedule! : number;
  }
  try {
    optionsFor(rule, options);
  } catch (error) {
    if (error instanceof TwaError) return error.message;
    throw error;
  }
  return options;
}
