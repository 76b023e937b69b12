/**
 * What a plan still needs, asked one after another with a way back. What the plan says already comes first, else the
 * default. No VS Code here.
 */
import * as l10n from '@vscode/l10n';
import { EMA_DECAY, LAST_K } from '../../core/averaging/coefficients.ts';
import { DEFAULT_RULE, defaultEvaluations, DEFAULTS } from '../../core/averaging/defaults.ts';
import type { BufferMode, FitData, TwaOptions } from '../../core/averaging/types.ts';
import type { Dialogs, Option, Step } from '../dialogs.ts';
import { parseFit, writeFit } from './fitText.ts';
import { inTurn, type Question } from './inTurn.ts';
import type { Plan } from './plans.ts';

/** What the questions are about. */
export interface Subject {
  readonly title: string;
  /** Checkpoints. */
  readonly count: number;
  /** Whether their model has running statistics, and there are data to measure them with. */
  readonly batchNorm?: boolean;
}

/**
 * The whole plan; undefined where the user turned away.
 * @param step that the questions are part of: from the first of them, its `back` leads out
 */
export async function complete(
  { ask, ...now }: Plan,
  subject: Subject,
  dialogs: Pick<Dialogs, 'input' | 'pickOne'>,
  step?: Step,
): Promise<Plan | undefined> {
  if (ask === undefined) return now;
  const { method, buffers } = now;
  const start: Known = { plan: { method, ...(buffers === undefined ? {} : { buffers }) } };
  const questions = new Questions(now, subject, dialogs);
  return (await inTurn((known: Known) => questions.of(ask, known), start, step))?.plan;
}

export const fitDataOptions = (): readonly Option<FitData>[] => [
  option('validation', l10n.t('Held-out validation data (TWA-v)'), l10n.t('Over-fits least.')),
  option('train', l10n.t('Training data (TWA-t)'), l10n.t('When validation data are few.')),
];

/** What has been answered so far. */
interface Known {
  readonly plan: Plan;
  /** The user wants to say more than what is usual. */
  readonly isOwn?: boolean;
}

const option = <T>(value: T, label: string, detail: string): Option<T> => ({ label, detail, value });

class Questions {
  readonly #now: Plan;
  readonly #subject: Subject;
  readonly #dialogs: Pick<Dialogs, 'input' | 'pickOne'>;

  constructor(now: Plan, subject: Subject, dialogs: Pick<Dialogs, 'input' | 'pickOne'>) {
    this.#now = now;
    this.#subject = subject;
    this.#dialogs = dialogs;
  }

  /** All of them, as far as can be said: some answers lead to another question. */
  of(ask: NonNullable<Plan['ask']>, { plan, isOwn = false }: Known): readonly Question<Known>[] {
    const given = plan.options?.start === 'given' ? [this.#coefficients()] : [];
    const buffers = this.#subject.batchNorm === true ? [this.#buffers()] : [];
    switch (ask) {
      case 'newest':
        return [this.#count(l10n.t('How many of the newest?'))];
      case 'best':
        return [this.#howBest(), ...(isOwn ? [this.#count(l10n.t('How many of the best?'))] : [])];
      case 'decay':
        return [this.#decay()];
      case 'coefficients':
        return [this.#coefficients()];
      case 'search': {
        if (!isOwn) return [this.#howSearch()];
        const where = [this.#howSearch(), this.#constraint(), this.#start(), ...given];
        return [...where, this.#fitData(), this.#sparse(), this.#evaluations(), ...buffers];
      }
      case 'twa': {
        const what = [this.#rule(), this.#constraint(), this.#granularity(), this.#start(), ...given];
        return [...what, this.#fitData(), this.#sparse(), this.#fit(), ...buffers];
      }
    }
  }

  #howBest(): Question<Known> {
    return this.#how(l10n.t('How many of the best?'), this.#now.settings?.k !== undefined, [
      option(false, l10n.t('As many as are best'), l10n.t('Of 2, 4, 8, …, by the stop split.')),
      option(true, l10n.t('A number…'), l10n.t('By the stop split as well.')),
    ]);
  }

  #howSearch(): Question<Known> {
    const usual = defaultEvaluations(this.#subject.count);
    const { options, settings } = this.#now;
    const isOwn = options !== undefined || (settings?.evaluations ?? usual) !== usual;
    return this.#how(l10n.t('How?'), isOwn, [
      option(false, l10n.t('As usual'), l10n.t('Shares, from the plain average on, {0} mixes.', usual)),
      option(true, l10n.t('Step by step…'), l10n.t('Coefficients, start, data and how many mixes.')),
    ]);
  }

  #how(placeholder: string, now: boolean, options: readonly Option<boolean>[]): Question<Known> {
    return this.#pick(
      placeholder,
      options,
      () => now,
      ({ plan }, isOwn) => ({ plan, isOwn }),
    );
  }

  #decay(): Question<Known> {
    return this.#number(
      l10n.t('How much of the average stays at every checkpoint?'),
      this.#now.settings?.decay ?? EMA_DECAY,
      (decay) => decay >= 0 && decay < 1,
      l10n.t('A number of at least 0 and below 1.'),
      (decay) => ({ settings: { decay } }),
    );
  }

  #evaluations(): Question<Known> {
    return this.#number(
      l10n.t('How many mixes to evaluate?'),
      this.#now.settings?.evaluations ?? defaultEvaluations(this.#subject.count),
      (mixes) => Number.isInteger(mixes) && mixes > 0,
      l10n.t('A whole number above 0.'),
      (evaluations) => ({ settings: { evaluations } }),
    );
  }

  #count(prompt: string): Question<Known> {
    const { count } = this.#subject;
    return this.#number(
      prompt,
      Math.min(this.#now.settings?.k ?? LAST_K, count),
      (k) => Number.isInteger(k) && k >= 1 && k <= count,
      l10n.t('A whole number from 1 to {0}.', count),
      (k) => ({ settings: { k } }),
    );
  }

  #rule(): Question<Known> {
    return this.#option('rule', l10n.t('Trained how?'), [
      option('v4', 'v4', l10n.t('AdamW around the mean (arXiv v4).')),
      option('iclr', 'ICLR', l10n.t('SGD over the span (ICLR 2023).')),
      option('lbfgs', 'L-BFGS', l10n.t('Full batches, no learning rate.')),
    ]);
  }

  #constraint(): Question<Known> {
    return this.#option('constraint', l10n.t('Which coefficients?'), [
      option('simplex', l10n.t('Shares'), l10n.t('At least 0, and they sum to 1.')),
      option('affine', l10n.t('Sum 1'), l10n.t('They may be negative.')),
      option('free', l10n.t('Free'), l10n.t('Any numbers.')),
    ]);
  }

  #granularity(): Question<Known> {
    return this.#option('granularity', l10n.t('How many for each checkpoint?'), [
      option('one', l10n.t('One'), l10n.t('Over-fits least.')),
      option('tensor', l10n.t('One for each parameter tensor'), l10n.t('Needs much data to fit on.')),
      option('groups', l10n.t('One for each group'), l10n.t('The groups of the task file ("groups").')),
    ]);
  }

  #start(): Question<Known> {
    return this.#option('start', l10n.t('Starting where?'), [
      option('mean', l10n.t('Plain average'), l10n.t('As both papers for the first part of training.')),
      option('last', l10n.t('Newest checkpoint'), l10n.t('For late checkpoints.')),
      option('best', l10n.t('Best checkpoint'), l10n.t('When bad ones are among them.')),
      option('given', l10n.t('Own Coefficients…'), l10n.t('One number for each checkpoint.')),
    ]);
  }

  #fitData(): Question<Known> {
    return this.#option('fitData', l10n.t('Fitted on which data?'), fitDataOptions());
  }

  #sparse(): Question<Known> {
    return this.#option('sparse', l10n.t('How many checkpoints?'), [
      option(false, l10n.t('All that help'), l10n.t('Coefficients as found.')),
      option(true, l10n.t('As few as are enough'), l10n.t('Leaves out what the stop split would not miss.')),
    ]);
  }

  /** The numbers of the fit. */
  #fit(): Question<Known> {
    return async ({ plan, ...known }, step) => {
      const { options = {} } = plan;
      const { rule = DEFAULT_RULE } = options;
      const text = await this.#dialogs.input({
        title: this.#subject.title,
        step,
        prompt: l10n.t('The numbers of the fit. What is left out is chosen for these checkpoints.'),
        value: writeFit(rule, this.#isOfRule(plan) ? this.#now.options : {}),
        check: (given) => {
          const fit = parseFit(given, rule);
          return typeof fit === 'string' ? fit : undefined;
        },
      });
      if (text === undefined) return undefined;
      const numbers = parseFit(text, rule) as Partial<TwaOptions>;
      return { ...known, plan: { ...plan, options: { ...options, ...numbers } } };
    };
  }

  /** The result shows what each of them comes to on the stop split. */
  #buffers(): Question<Known> {
    const options: readonly Option<BufferMode>[] = [
      option(
        'recalibrate',
        l10n.t('Recalibrated'),
        l10n.t('Measured anew with the average, over training data.'),
      ),
      option('average', l10n.t('Averaged'), l10n.t('Like the weights.')),
      option('newest', l10n.t('Of the newest checkpoint'), l10n.t('As they are there.')),
    ];
    return this.#pick(
      l10n.t('Which running statistics of BatchNorm?'),
      options,
      () => this.#now.buffers ?? 'recalibrate',
      ({ plan, ...known }, buffers) => ({ ...known, plan: { ...plan, buffers } }),
    );
  }

  #coefficients(): Question<Known> {
    const { count } = this.#subject;
    const { coefficients: now } = this.#now;
    const usual =
      now?.length === count ? now : new Array<number>(count).fill(Number((1 / count).toPrecision(3)));
    return this.#text(
      l10n.t('{0} numbers with commas between, the oldest checkpoint first.', count),
      usual.join(', '),
      (given) => {
        const parts = given.split(',');
        return parts.length === count && parts.every(isNumber)
          ? undefined
          : l10n.t('{0} numbers with commas between.', count);
      },
      (text) => ({ coefficients: text.split(',').map(Number) }),
    );
  }

  /** Whether the options that there are now were for the rule that is chosen: those of another say little. */
  #isOfRule({ method, options }: Plan): boolean {
    const rule = (of: Partial<TwaOptions> = {}) => of.rule ?? DEFAULT_RULE;
    return method !== 'twa' || rule(options) === rule(this.#now.options);
  }

  #option<Name extends keyof TwaOptions>(
    name: Name,
    placeholder: string,
    options: readonly Option<TwaOptions[Name]>[],
  ): Question<Known> {
    const usual = ({ plan }: Known): TwaOptions[Name] => {
      const now = this.#now.options?.[name];
      // The rule is what the others hang on, and is asked first.
      if (now !== undefined && (name === 'rule' || this.#isOfRule(plan))) return now;
      // A search is by shares, as with L-BFGS; what else it asks for is the same for all rules.
      return DEFAULTS[plan.method === 'search' ? 'lbfgs' : (plan.options?.rule ?? DEFAULT_RULE)][name];
    };
    return this.#pick(placeholder, options, usual, ({ plan, ...known }, value) => ({
      ...known,
      plan: { ...plan, options: { ...plan.options, [name]: value } },
    }));
  }

  #number(
    prompt: string,
    usual: number,
    isRight: (value: number) => boolean,
    wrong: string,
    add: (value: number) => Partial<Plan>,
  ): Question<Known> {
    return this.#text(
      prompt,
      String(usual),
      (given) => (isNumber(given) && isRight(Number(given)) ? undefined : wrong),
      (text) => add(Number(text)),
    );
  }

  #text(
    prompt: string,
    value: string,
    check: (given: string) => string | undefined,
    add: (text: string) => Partial<Plan>,
  ): Question<Known> {
    return async ({ plan, ...known }, step) => {
      const text = await this.#dialogs.input({ title: this.#subject.title, step, prompt, value, check });
      return text === undefined ? undefined : { ...known, plan: { ...plan, ...add(text) } };
    };
  }

  /** The usual one first. */
  #pick<T extends string | boolean | number>(
    placeholder: string,
    options: readonly Option<T>[],
    usual: (known: Known) => T,
    add: (known: Known, value: T) => Known,
  ): Question<Known> {
    return async (known, step) => {
      const first = usual(known);
      const sorted = options.toSorted((a, b) => Number(b.value === first) - Number(a.value === first));
      const { title } = this.#subject;
      const value = await this.#dialogs.pickOne(sorted, { title, placeholder, step });
      return value === undefined ? undefined : add(known, value);
    };
  }
}

function isNumber(text: string): boolean {
  return text.trim() !== '' && Number.isFinite(Number(text));
}
