/** How long a training shall be, from the names that configurations have for it. */
import type { TrainingPlan } from './types.ts';

const EPOCHS = new Set(
  'epochs max_epochs num_epochs n_epochs num_train_epochs total_epochs train_epochs'.split(' '),
);
const STEPS = new Set(
  'max_steps total_steps num_steps train_steps max_train_steps num_train_steps total_iterations max_iters'.split(
    ' ',
  ),
);
export function namesLength(name: string): boolean {
  return EPOCHS.has(name) || STEPS.has(name);
}

/** The plan in named numbers, whatever else is among them. */
export function planOf(settings: readonly (readonly [name: string, value: unknown])[]): TrainingPlan {
  const only = (names: ReadonlySet<string>): number | undefined => {
    const found = new Set(
      settings.flatMap(([name, value]) =>
        names.has(name) && typeof value === 'number' && Number.isFinite(value) && value > 0 ? [value] : [],
      ),
    );
    return found.size === 1 ? [...found][0] : undefined;
  };
  const steps = only(STEPS);
  const epochs = only(EPOCHS);
  return { ...(steps === undefined ? {} : { steps }), ...(epochs === undefined ? {} : { epochs }) };
}
