/** What a plan still needs, asked one after another; the default comes first. */
import * as l10n from '@vscode/l10n';
import { EMA_DECAY, LAST_K } from '../../core/averaging/coefficients.ts';
import { DEFAULTS } from '../../core/averaging/defaults.ts';
import { defaultEvaluations } from '../../core/averaging/search.ts';
import type {
  BufferMode,
  Constraint,
  FitData,
  Start,
  TwaOptions,
  TwaRule,
} from '../../core/averaging/types.ts';
import type { Dialogs, Option } from '../dialogs.ts';
import { parseFit, writeFit } from './fitText.ts';
import type { Plan } from './plans.ts';

/** What the questions are about. */
export interface Subject {
  readonly title: string;
  /** Checkpoints. */
  readonly count: number;
  /** Whether their model has running statistics. */
  readonly batchNorm?: boolean;
}

/** The whole plan; undefined where the user turned away. */
export async function complete(
  { ask, ...plan }: Plan,
  subject: Subject,
  dialogs: Pick<Dialogs, 'input' | 'pickOne'>,
): Promise<Plan | undefined> {
  if (ask === undefined) return plan;
  try {
    return { ...plan, ...(await new Questions(subject, dialogs).answer(ask)) };
  } catch (error) {
    if (error instanceof TurnedAway) return undefined;
    throw error;
  }
}

class TurnedAway extends Error {}

const option = <T>(value: T, label: string, detail: string): Option<T> => ({ label, detail, value });

class Questions {
  readonly #subject: Subject;
  readonly #dialogs: Pick<Dialogs, 'input' | 'pickOne'>;

  constructor(subject: Subject, dialogs: Pick<Dialogs, 'input' | 'pickOne'>) {
    this.#subject = subject;
    this.#dialogs = dialogs;
  }

  async answer(ask: NonNullable<Plan['ask']>): Promise<Partial<Plan>> {
    const { count } = this.#subject;
    switch (ask) {
      case 'newest':
        return { settings: { k: await this.#count(l10n.t('How many of the newest?')) } };
      case 'best':
        return this.#best();
      case 'decay':
        return {
          settings: {
            decay: await this.#number(
              l10n.t('How much of the average stays at every checkpoint?'),
              EMA_DECAY,
              (decay) => decay >= 0 && decay < 1,
              l10n.t('A number of at least 0 and below 1.'),
            ),
          },
        };
      case 'coefficients':
        return { coefficients: await this.#coefficients() };
      case 'search':
        return this.#search(defaultEvaluations(count));
      case 'twa':
        return this.#twa();
    }
  }

  async #best(): Promise<Partial<Plan>> {
    const how = await this.#pick(l10n.t('How many of the best?'), [
      option('auto', l10n.t('As many as are best'), l10n.t('Of 2, 4, 8, …, by the stop split.')),
      option('number', l10n.t('A number…'), l10n.t('By the stop split as well.')),
    ]);
    return how === 'auto' ? {} : { settings: { k: await this.#count(l10n.t('How many of the best?')) } };
  }

  async #search(usual: number): Promise<Partial<Plan>> {
    const how = await this.#pick(l10n.t('How?'), [
      option('usual', l10n.t('As usual'), l10n.t('Shares, from the plain average on, {0} mixes.', usual)),
      option('own', l10n.t('Step by step…'), l10n.t('Coefficients, start, data and how many mixes.')),
    ]);
    if (how === 'usual') return {};
    const constraint = await this.#constraint('simplex');
    const start = await this.#start();
    const coefficients = start === 'given' ? { coefficients: await this.#coefficients() } : {};
    const options = { constraint, start, fitData: await this.#fitData(), sparse: await this.#sparse() };
    const evaluations = await this.#number(
      l10n.t('How many mixes to evaluate?'),
      usual,
      (mixes) => Number.isInteger(mixes) && mixes > 0,
      l10n.t('A whole number above 0.'),
    );
    return { options, settings: { evaluations }, ...coefficients, ...(await this.#buffers()) };
  }

  async #twa(): Promise<Partial<Plan>> {
    const rule = await this.#pick<TwaRule>(l10n.t('Trained how?'), [
      option('v4', 'v4', l10n.t('AdamW around the mean (arXiv v4).')),
      option('iclr', 'ICLR', l10n.t('SGD over the span (ICLR 2023).')),
      option('lbfgs', 'L-BFGS', l10n.t('Full batches, no learning rate.')),
    ]);
    const constraint = await this.#constraint(DEFAULTS[rule].constraint);
    const granularity = await this.#pick<TwaOptions['granularity']>(l10n.t('How many for each checkpoint?'), [
      option('one', l10n.t('One'), l10n.t('Over-fits least.')),
      option('tensor', l10n.t('One for each parameter tensor'), l10n.t('Needs much data to fit on.')),
      option('groups', l10n.t('One for each group'), l10n.t('The groups of the task file ("groups").')),
    ]);
    const start = await this.#start();
    const coefficients = start === 'given' ? { coefficients: await this.#coefficients() } : {};
    const fitData = await this.#fitData();
    const sparse = await this.#sparse();
    const text = await this.#text(
      l10n.t('The numbers of the fit. What is left out is chosen for these checkpoints.'),
      writeFit(rule),
      (given) => {
        const fit = parseFit(given, rule);
        return typeof fit === 'string' ? fit : undefined;
      },
    );
    const numbers = parseFit(text, rule) as Partial<TwaOptions>;
    const options = { rule, constraint, granularity, start, fitData, sparse, ...numbers };
    return { options, ...coefficients, ...(await this.#buffers()) };
  }

  #constraint(usual: Constraint): Promise<Constraint> {
    const options = [
      option<Constraint>('simplex', l10n.t('Shares'), l10n.t('At least 0, and they sum to 1.')),
      option<Constraint>('affine', l10n.t('Sum 1'), l10n.t('They may be negative.')),
      option<Constraint>('free', l10n.t('Free'), l10n.t('Any numbers.')),
    ];
    options.sort((a, b) => Number(b.value === usual) - Number(a.value === usual));
    return this.#pick(l10n.t('Which coefficients?'), options);
  }

  #start(): Promise<Start> {
    return this.#pick<Start>(l10n.t('Starting where?'), [
      option('mean', l10n.t('Plain average'), l10n.t('As both papers for the first part of training.')),
      option('last', l10n.t('Newest checkpoint'), l10n.t('For late checkpoints.')),
      option('best', l10n.t('Best checkpoint'), l10n.t('When bad ones are among them.')),
      option('given', l10n.t('Own Coefficients…'), l10n.t('One number for each checkpoint.')),
    ]);
  }

  #fitData(): Promise<FitData> {
    return this.#pick<FitData>(l10n.t('Fitted on which data?'), [
      option('validation', l10n.t('Held-out validation data (TWA-v)'), l10n.t('Over-fits least.')),
      option('train', l10n.t('Training data (TWA-t)'), l10n.t('When validation data are few.')),
    ]);
  }

  #sparse(): Promise<boolean> {
    return this.#pick(l10n.t('How many checkpoints?'), [
      option(false, l10n.t('All that help'), l10n.t('Coefficients as found.')),
      option(true, l10n.t('As few as are enough'), l10n.t('Leaves out what the stop split would not miss.')),
    ]);
  }

  /** The result shows what each of them comes to on the stop split. */
  async #buffers(): Promise<{ readonly buffers?: BufferMode }> {
    if (this.#subject.batchNorm !== true) return {};
    const buffers = await this.#pick<BufferMode>(l10n.t('Which running statistics of BatchNorm?'), [
      option(
        'recalibrate',
        l10n.t('Recalibrated'),
        l10n.t('Measured anew with the average, over training data.'),
      ),
      option('average', l10n.t('Averaged'), l10n.t('Like the weights.')),
      option('newest', l10n.t('Of the newest checkpoint'), l10n.t('As they are there.')),
    ]);
    return { buffers };
  }

  async #coefficients(): Promise<readonly number[]> {
    const { count } = this.#subject;
    const text = await this.#text(
      l10n.t('{0} numbers with commas between, the oldest checkpoint first.', count),
      new Array<string>(count).fill(String(Number((1 / count).toPrecision(3)))).join(', '),
      (given) => {
        const parts = given.split(',');
        return parts.length === count && parts.every(isNumber)
          ? undefined
          : l10n.t('{0} numbers with commas between.', count);
      },
    );
    return text.split(',').map(Number);
  }

  #count(prompt: string): Promise<number> {
    const { count } = this.#subject;
    return this.#number(
      prompt,
      Math.min(LAST_K, count),
      (k) => Number.isInteger(k) && k >= 1 && k <= count,
      l10n.t('A whole number from 1 to {0}.', count),
    );
  }

  async #number(
    prompt: string,
    usual: number,
    isRight: (value: number) => boolean,
    wrong: string,
  ): Promise<number> {
    const check = (given: string) => (isNumber(given) && isRight(Number(given)) ? undefined : wrong);
    return Number(await this.#text(prompt, String(usual), check));
  }

  async #text(prompt: string, value: string, check: (given: string) => string | undefined): Promise<string> {
    const text = await this.#dialogs.input({ title: this.#subject.title, prompt, value, check });
    if (text === undefined) throw new TurnedAway();
    return text;
  }

  async #pick<T>(placeholder: string, options: readonly Option<T>[]): Promise<T> {
    const picked = await this.#dialogs.pickOne(options, { title: this.#subject.title, placeholder });
    if (picked === undefined) throw new TurnedAway();
    return picked;
  }
}

function isNumber(text: string): boolean {
  return text.trim() !== '' && Number.isFinite(Number(text));
}
