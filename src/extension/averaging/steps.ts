/** What is asked before a pass: the method, then a summary in which everything can be changed. */
import * as l10n from '@vscode/l10n';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { MEMORY_MODES } from '../../compute/protocol.ts';
import { chooseOutput } from '../../core/averaging/output.ts';
import { readReport } from '../../core/averaging/report.ts';
import type { AverageReport } from '../../core/averaging/types.ts';
import { isRunningStatistic } from '../../core/checkpoints/running-statistics.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import type { RunsSnapshot } from '../../core/runs/types.ts';
import type { Dialogs, Step } from '../dialogs.ts';
import { BACKENDS } from '../names.ts';
import type { Target } from '../commands/targets.ts';
import type { Chosen, Draft } from './draft.ts';
import { estimate } from './estimate.ts';
import { inTurn } from './inTurn.ts';
import type { Question } from './inTurn.ts';
import { outputFrom, outputProblem } from './output.ts';
import { isFitted, planOptions, planText, QUESTIONS, withoutTaskOptions } from './plans.ts';
import type { Plan } from './plans.ts';
import { complete, fitDataOptions } from './questions.ts';
import type { Subject } from './questions.ts';
import { summaryOptions } from './summary.ts';
import type { Answer, Facts } from './summary.ts';

/** Of the newest reports, so many are asked how long a pass took. */
const MOST_REPORTS = 20;

export interface QuestionDependencies {
  readonly dialogs: Dialogs;
  readonly snapshot: () => RunsSnapshot;
  /** Lets the user choose other checkpoints of the run; undefined where the user turns away. */
  readonly rechoose: (chosen: Chosen) => Promise<Chosen | undefined>;
  readonly createTaskFile: (targets: readonly Target[]) => Promise<void>;
}

/** A pass that has everything but perhaps its plan. */
export type Beginning = Omit<Draft, 'plan'> & { readonly plan: Plan | undefined };

/**
 * The plan as the user wants it; undefined where the user turns away. One that is there already is only summed up,
 * after what it still asks for.
 */
export async function askDraft(
  beginning: Beginning,
  dependencies: QuestionDependencies,
): Promise<Draft | undefined> {
  const { plan } = beginning;
  let draft: Beginning = beginning;
  const first: Question<Beginning> = async (_known, step) => {
    // Back from the summary, with what was changed there.
    const { chosen } = draft;
    const whole =
      plan === undefined
        ? await askMethod(chosen, dependencies, step)
        : await complete(plan, subjectOf(chosen), dependencies.dialogs, step);
    return whole && { ...draft, plan: whole };
  };
  const last: Question<Beginning> = async (known, step) => {
    draft = known;
    return await askSummary(known as Draft, dependencies, step, (changed) => {
      draft = changed;
    });
  };
  const isWhole = plan !== undefined && plan.ask === undefined;
  const asked = await inTurn(() => (isWhole ? [last] : [first, last]), beginning);
  return asked as Draft | undefined;
}

/** Undefined where the user turns away, or back where `step` has a way. */
async function askMethod(
  chosen: Chosen,
  { dialogs, createTaskFile }: QuestionDependencies,
  step: Step,
): Promise<Plan | undefined> {
  const { run, task, engine } = chosen;
  const title = titleOf(chosen);
  for (;;) {
    const answer =
      task === undefined
        ? await dialogs.pickOne(withoutTaskOptions(), {
            title,
            step,
            placeholder: l10n.t('There is no twa.json for this run.'),
          })
        : await dialogs.pickOne(planOptions(engine !== 'command'), {
            title,
            step,
            placeholder: l10n.t('How? Task: {0}', vscode.workspace.asRelativePath(task)),
          });
    if (answer === 'create') await createTaskFile([{ kind: 'path', path: run }]);
    if (answer === undefined || answer === 'create') return undefined;
    let wentBack = false as boolean;
    const plan = await complete(answer, subjectOf(chosen), dialogs, {
      ...step,
      back: () => {
        wentBack = true;
      },
    });
    if (plan !== undefined || !wentBack) return plan;
  }
}

/** Asks until the user starts, changing one thing after another. */
async function askSummary(
  start: Draft,
  dependencies: QuestionDependencies,
  step: Step,
  onChange: (draft: Draft) => void,
): Promise<Draft | undefined> {
  const { dialogs } = dependencies;
  let draft = start;
  for (;;) {
    const answer = await dialogs.pickOne(summaryOptions(await factsOf(draft, dependencies)), {
      title: titleOf(draft.chosen),
      step,
      placeholder: l10n.t('Enter starts; any line can be changed first'),
    });
    if (answer === undefined) return undefined;
    if (answer === 'start') return draft;
    if (answer === 'nothing') continue;
    const changed = await change(answer, draft, dependencies);
    if (changed === undefined) continue;
    draft = changed;
    onChange(draft);
  }
}

/** Undefined: as it was. */
async function change(
  what: Exclude<Answer, 'start' | 'nothing'>,
  draft: Draft,
  dependencies: QuestionDependencies,
): Promise<Draft | undefined> {
  const { dialogs, rechoose } = dependencies;
  const { chosen, plan } = draft;
  const title = titleOf(chosen);
  // Going back and turning away both lead to the summary.
  const step: Step = { at: 1, of: 1, back: () => undefined };
  switch (what) {
    case 'checkpoints': {
      const other = await rechoose(chosen);
      if (other === undefined) return undefined;
      const count = other.headers.length;
      // One number for each checkpoint, or the newest k of them, may no longer fit.
      const fits =
        (plan.coefficients === undefined || count === chosen.headers.length) &&
        (plan.settings?.k ?? 0) <= count;
      const kept = fits ? plan : await askMethod(other, dependencies, step);
      return kept && { ...draft, chosen: other, plan: kept };
    }
    case 'method': {
      const other = await askMethod(chosen, dependencies, step);
      return other && { ...draft, plan: other };
    }
    case 'options': {
      const ask = QUESTIONS[plan.method];
      const other = ask && (await complete({ ...plan, ask }, subjectOf(chosen), dialogs, step));
      return other && { ...draft, plan: other };
    }
    case 'data': {
      const fitData = await dialogs.pickOne(fitDataOptions(), {
        title,
        step,
        placeholder: l10n.t('Fitted on which data?'),
      });
      return fitData && { ...draft, plan: { ...plan, options: { ...plan.options, fitData } } };
    }
    case 'backend': {
      const backend = await dialogs.pickOne(
        BACKENDS.map((name) => ({ label: name, value: name })),
        { title, step, placeholder: l10n.t('What shall compute? For this pass only.') },
      );
      return backend && { ...draft, backend };
    }
    case 'memory': {
      const memory = await dialogs.pickOne(
        MEMORY_MODES.map((mode) => ({ label: mode, value: mode })),
        { title, step, placeholder: l10n.t('How shall checkpoints be kept? For this pass only.') },
      );
      return memory && { ...draft, memory };
    }
    case 'output': {
      const automatic = await automaticOutput(draft);
      const template = chosen.headers.at(-1)!;
      const text = await dialogs.input({
        title,
        step,
        prompt: l10n.t('A name, or a path from {0}.', path.dirname(automatic)),
        value: draft.output ?? path.basename(automatic),
        check: (typed) => outputProblem(typed, automatic, template),
      });
      if (text === undefined) return undefined;
      const output = outputFrom(text, automatic, template);
      return { ...draft, output: output === automatic ? undefined : output };
    }
    case 'seed': {
      const text = await dialogs.input({
        title,
        step,
        prompt: l10n.t('Every random choice of the pass follows from it.'),
        value: String(draft.seed),
        check: (typed) => (/^\d{1,9}$/.test(typed.trim()) ? undefined : l10n.t('A whole number.')),
      });
      return text === undefined ? undefined : { ...draft, seed: Number(text) };
    }
  }
}

async function factsOf(draft: Draft, { snapshot }: QuestionDependencies): Promise<Facts> {
  const { chosen, plan, seed, backend, memory } = draft;
  const { headers, runName, task, engine } = chosen;
  const template = headers.at(-1)!;
  const sizes = headers.map(bytesOf);
  const output = draft.output ?? (await automaticOutput(draft));
  const wanted = { method: plan.method, rule: plan.options?.rule, task, sizes };
  const found = estimate(wanted, await reportsIn(snapshot()));
  return {
    run: runName,
    count: headers.length,
    tensors: template.tensors.length,
    readBytes: sizes.reduce((sum, size) => sum + size, 0),
    writeBytes: bytesOf(template),
    freeBytes: await freeBytes(path.dirname(template.path)),
    plan: planText(plan),
    hasOptions: QUESTIONS[plan.method] !== undefined,
    isFitted: isFitted(plan),
    fitData: plan.options?.fitData ?? 'validation',
    engine,
    task: task === undefined ? undefined : vscode.workspace.asRelativePath(task),
    backend,
    memory,
    seed,
    output: vscode.workspace.asRelativePath(output),
    estimate: found && { milliseconds: found.milliseconds, from: path.basename(found.from.output) },
  };
}

async function automaticOutput({ chosen: { headers }, plan }: Draft): Promise<string> {
  const rule = plan.options?.rule;
  const request = { headers, method: plan.method, ...(rule === undefined ? {} : { rule }) };
  return (await chooseOutput(request)).output;
}

async function reportsIn({ runs }: RunsSnapshot): Promise<readonly AverageReport[]> {
  const newest = runs
    .flatMap((run) => run.averages)
    .toSorted((a, b) => b.mtimeMs - a.mtimeMs)
    .flatMap(({ average }) => average?.reportPath ?? [])
    .slice(0, MOST_REPORTS);
  const reports = await Promise.all(newest.map((file) => readReport(file).catch(() => undefined)));
  return reports.filter((report) => report !== undefined);
}

async function freeBytes(directory: string): Promise<number | undefined> {
  try {
    const { bavail, bsize, blocks } = await statfs(directory);
    // Some network and overlay file systems report no sizes at all.
    return blocks === 0 ? undefined : bavail * bsize;
  } catch {
    return undefined;
  }
}

const bytesOf = ({ files }: CheckpointHeader): number => files.reduce((sum, { size }) => sum + size, 0);

const titleOf = ({ headers, runName }: Chosen): string =>
  l10n.t('Average {0} Checkpoints of {1}', headers.length, runName);

const subjectOf = (chosen: Chosen): Subject => ({
  title: titleOf(chosen),
  count: chosen.headers.length,
  batchNorm:
    chosen.task !== undefined && chosen.headers.some(({ tensors }) => tensors.some(isRunningStatistic)),
});
