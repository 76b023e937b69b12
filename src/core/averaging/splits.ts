/**
 * Carves the three sets that an honest result needs (see SplitSizes) out of the splits a user has. The sets are
 * disjoint as long as the user's own splits are.
 */
import { TwaError } from '../errors.ts';
import type { UserSplit } from '../task/types.ts';
import { permutation, seededRandom } from './rng.ts';
import type { FitData, SplitName, SplitSizes } from './types.ts';

/** Some examples of one of the user's splits. */
export interface Part {
  readonly from: UserSplit;
  /** Ascending. */
  readonly indices: Int32Array;
}

export interface CarvedSplits extends Readonly<Record<SplitName, Part>> {
  readonly sizes: SplitSizes;
}

/**
 * With fewer examples than this an interval is wide enough to hide most real differences: the 95 % interval of an
 * accuracy of 0.9 is then wider than +-0.06.
 */
const FEW_EXAMPLES = 100;

/**
 * - `validation` (TWA-v): fit and stop are 60 % and 40 % of validation, report is test; without a test split the
 *   three are 50, 25 and 25 % of validation.
 * - `train` (TWA-t): fit is train, stop is validation, report is test; without a test split stop and report are 50
 *   and 50 % of validation.
 *
 * Throws `bad-task` when there are not enough examples to give every set one.
 */
export function carveSplits(
  sizes: { readonly train: number; readonly validation: number; readonly test?: number },
  fitData: FitData,
  seed: number,
): CarvedSplits {
  const test = sizes.test ?? 0;
  if (fitData === 'train' && sizes.train === 0) {
    throw new TwaError('bad-task', 'The training split is empty: fit on the validation split instead.');
  }
  const shares = sharesOfValidation(fitData, test > 0);
  const carvedNames = Object.keys(shares);
  if (sizes.validation < carvedNames.length) {
    throw new TwaError(
      'bad-task',
      `The validation split has ${sizes.validation} example(s), and ${list(carvedNames)} need at least one each: ` +
        'give the task a larger validation split.',
    );
  }

  const carved = carve(sizes.validation, shares, seed);
  const parts = {
    fit: carved.get('fit') ?? whole('train', sizes.train),
    stop: carved.get('stop')!,
    report: carved.get('report') ?? whole('test', test),
  };
  const counts = {
    fit: parts.fit.indices.length,
    stop: parts.stop.indices.length,
    report: parts.report.indices.length,
  };
  return { ...parts, sizes: { ...counts, origin: describe(counts, shares, seed) } };
}

type Shares = { readonly stop: number } & Readonly<Partial<Record<SplitName, number>>>;

/** In percent. A set that is not named here is a whole split of the user's. */
function sharesOfValidation(fitData: FitData, hasTest: boolean): Shares {
  switch (fitData) {
    case 'validation':
      return hasTest ? { fit: 60, stop: 40 } : { fit: 50, stop: 25, report: 25 };
    case 'train':
      return hasTest ? { stop: 100 } : { stop: 50, report: 50 };
  }
}

function whole(from: UserSplit, size: number): Part {
  return { from, indices: Int32Array.from({ length: size }, (_, index) => index) };
}

/** Cuts a random order of the validation split by shares; every part gets at least one example. */
function carve(size: number, shares: Shares, seed: number): ReadonlyMap<string, Part> {
  const order = permutation(seededRandom(seed, 'splits'), size);
  const entries = Object.entries(shares);
  const parts = new Map<string, Part>();
  let begin = 0;
  let percent = 0;
  for (const [position, [name, share]] of entries.entries()) {
    percent += share;
    const neededLater = entries.length - 1 - position;
    const end = Math.min(size - neededLater, Math.max(begin + 1, Math.round((size * percent) / 100)));
    parts.set(name, { from: 'validation', indices: order.slice(begin, end).sort() });
    begin = end;
  }
  return parts;
}

function describe(counts: Record<SplitName, number>, shares: Shares, seed: number): string {
  const carved = Object.keys(shares);
  const few = Object.entries(counts).filter(([, count]) => count < FEW_EXAMPLES);
  return [
    ...(carved.includes('fit') ? [] : ['fit: train']),
    carved.length === 1
      ? 'stop: validation'
      : `${list(carved)}: ${Object.values(shares).join('/')} of validation (seed ${seed})`,
    carved.includes('report') ? 'there is no test split' : 'report: test',
    ...(few.length === 0
      ? []
      : [`little data (${few.map(([name, count]) => `${name}: ${count}`).join(', ')}), so wide intervals`]),
  ].join('; ');
}

function list(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)!}`;
}
