/** A report's facts as pairs of words: the page, the exported report and the Markdown show the same. */
import type { AverageReport, Method, TwaOptions } from '../../src/core/averaging/types.ts';
import { fill } from '../shared/fill.ts';
import { formatDuration } from '../shared/numbers.ts';
import { PASS_PHASES } from '../shared/report.ts';
import type { ResultStrings } from '../strings.ts';

type Fact = readonly [name: string, value: string];

export interface Split {
  readonly name: string;
  readonly size: string;
  readonly hint: string;
}

export function splitFacts(
  sizes: NonNullable<AverageReport['splits']>,
  strings: ResultStrings,
): readonly Split[] {
  const of = (name: string, size: number, hint: string): Split => ({
    name,
    size: fill(strings.examples, size),
    hint,
  });
  return [
    of(strings.splitFit, sizes.fit, strings.splitFitHint),
    of(strings.splitStop, sizes.stop, strings.splitStopHint),
    of(strings.splitReport, sizes.report, strings.splitReportHint),
  ];
}

export function optionFacts(chosen: TwaOptions, strings: ResultStrings): readonly Fact[] {
  const rules = { v4: strings.ruleV4, iclr: strings.ruleIclr, lbfgs: strings.ruleLbfgs };
  const constraints = {
    simplex: strings.constraintSimplex,
    affine: strings.constraintAffine,
    free: strings.constraintFree,
  };
  const granularities = {
    one: strings.granularityOne,
    tensor: strings.granularityTensor,
    groups: strings.granularityGroups,
  };
  const schedules = {
    step: strings.scheduleStep,
    linear: strings.scheduleLinear,
    cosine: strings.scheduleCosine,
  };
  const has = (condition: boolean, name: string, value: unknown): readonly Fact[] =>
    condition ? [[name, String(value)]] : [];
  return [
    [strings.rule, rules[chosen.rule]],
    [strings.constraint, constraints[chosen.constraint]],
    [strings.granularity, granularities[chosen.granularity]],
    [strings.fitData, chosen.fitData === 'train' ? strings.fitDataTrain : strings.fitDataValidation],
    [strings.start, chosen.start],
    [strings.epochs, String(chosen.epochs)],
    [strings.patience, String(chosen.patience)],
    [strings.batchSize, String(chosen.batchSize)],
    ...has(chosen.rule !== 'lbfgs', strings.learningRate, chosen.learningRate),
    ...has(chosen.rule !== 'lbfgs', strings.schedule, schedules[chosen.schedule]),
    ...has(chosen.rule !== 'lbfgs', strings.weightDecay, chosen.weightDecay),
    ...has(chosen.rule === 'iclr', strings.momentum, chosen.momentum),
    ...has(chosen.ridge > 0, strings.ridge, chosen.ridge),
    ...has(chosen.sparse, strings.sparse, strings.sparseYes),
  ];
}

/** But for the hash and the task, which the page shows with more than a text. */
export function provenanceFacts(
  { provenance, timings }: AverageReport,
  strings: ResultStrings,
  locale: string | undefined,
): readonly Fact[] {
  const took = PASS_PHASES.reduce((sum, phase) => sum + (timings[phase] ?? 0), 0);
  const { backend, createdAt, tool, version, seed, buffers } = provenance;
  return [
    [strings.created, timeText(createdAt, locale)],
    ...(took > 0 ? [[strings.took, formatDuration(took)] as const] : []),
    [strings.tool, `${tool} ${version}`],
    ...(backend === undefined ? [] : [[strings.backend, backend] as const]),
    [strings.seed, String(seed)],
    [strings.buffers, bufferNames(strings)[buffers]],
  ];
}

/** @param at ISO 8601 */
export function timeText(at: string, locale: string | undefined): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime())
    ? at
    : date.toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' });
}

export const bufferNames = (strings: ResultStrings) => ({
  recalibrate: strings.buffersRecalibrate,
  average: strings.buffersAverage,
  newest: strings.buffersNewest,
  none: strings.buffersNone,
});

export function methodName(method: Method, strings: ResultStrings): string {
  const names: Readonly<Record<Method, string>> = {
    uniform: strings.methodUniform,
    'last-k': strings.methodLastK,
    ema: strings.methodEma,
    'best-k': strings.methodBestK,
    prune: strings.methodPrune,
    greedy: strings.methodGreedy,
    manual: strings.methodManual,
    search: strings.methodSearch,
    twa: strings.methodTwa,
  };
  return names[method];
}
