/**
 * What the files beside a log say of the training as a whole: how long it shall be, and how it ended. Only numbers
 * with well-known names are taken, from the configurations that trainers write into a run's directory.
 */
import { basename, dirname } from 'node:path';
import { readFile, stat } from 'node:fs/promises';
import { namesLength, planOf } from '../metrics/plan.ts';
import type { TrainingFacts, TrainingPlan } from '../metrics/types.ts';

/** Ultralytics, Lightning, Hydra and hand-written ones; MLflow's `meta.yaml` has the state of the run. */
const CONFIGS = new Set(
  'args.yaml hparams.yaml config.yaml params.yaml meta.yaml args.json config.json hparams.json params.json'.split(
    ' ',
  ),
);
/** MLflow keeps each parameter in a file: `<run>/params/epochs`. */
const MLFLOW_PARAMETER = /[\\/][0-9a-f]{32}[\\/]params[\\/](\w+)$/;
const MLFLOW_RUN = /[\\/][0-9a-f]{32}[\\/]meta\.yaml$/;

const MAX_BYTES = 256 << 10;

/** By name alone. */
export function isTrainingConfig(path: string): boolean {
  const parameter = MLFLOW_PARAMETER.exec(path)?.[1];
  return parameter === undefined ? CONFIGS.has(basename(path)) : namesLength(parameter);
}

/** The path that stands for the file in the question whose run it is. */
export function configAnchor(path: string): string {
  // DVCLive keeps them in its own directory, as it does its logs.
  const isInside = MLFLOW_PARAMETER.test(path) || basename(dirname(path)) === 'dvclive';
  return isInside ? dirname(path) : path;
}

/** Empty where the file says nothing of it, or cannot be read: a configuration is no log, so nobody is told. */
export async function readTrainingConfig(path: string): Promise<TrainingFacts> {
  let text: string;
  try {
    if ((await stat(path)).size > MAX_BYTES) return {};
    text = await readFile(path, 'utf8');
  } catch {
    return {};
  }
  const parameter = MLFLOW_PARAMETER.exec(path)?.[1];
  if (parameter !== undefined) return { plan: planIn(`${parameter}: ${text.trim()}`) };
  const outcome = MLFLOW_RUN.test(path) ? mlflowOutcome(text) : undefined;
  return { plan: planIn(text), ...(outcome === undefined ? {} : { outcome }) };
}

/** `epochs: 100` of YAML and `"epochs": 100` of JSON, anywhere. Two that differ say nothing. */
function planIn(text: string): TrainingPlan {
  return planOf(
    [...text.matchAll(/(?:^|[\s{,"])(\w+)"?\s*:\s*(\d+)(?=\s*(?:[,}#\r\n]|$))/g)].map(
      ([, name, value]) => [name!, Number(value)] as const,
    ),
  );
}

/** RunStatus of mlflow/protos/service.proto: 3 finished, 4 failed, 5 killed. */
function mlflowOutcome(text: string): TrainingFacts['outcome'] {
  const status = /^status:\s*(\d)\s*$/m.exec(text)?.[1];
  if (status === '3') return 'finished';
  return status === '4' || status === '5' ? 'failed' : undefined;
}
