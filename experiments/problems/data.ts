/** What the three problems share: examples as arrays, split at random but always the same way. */
import { permutation, seededRandom } from '../../src/core/averaging/rng.ts';
import type { UserSplit } from '../../src/core/task/types.ts';
import type { TaskContext } from '../../src/compute/objective/task-module.ts';

export interface Examples {
  readonly inputs: readonly Float32Array[];
  readonly inputShape: readonly number[];
  /** Class of every output of every example. */
  readonly labels: readonly Int32Array[];
  readonly classes: number;
}

export type Sizes = Readonly<Record<UserSplit, number>>;

/** The split, as one-hot targets. `relabel` may change the labels of a training example. */
export function pick(
  examples: Examples,
  sizes: Sizes,
  split: string,
  { tf }: Pick<TaskContext, 'tf'>,
  relabel: (labels: Int32Array) => Int32Array = (labels) => labels,
) {
  const order = permutation(seededRandom(1, 'experiment'), examples.inputs.length);
  const begins = { train: 0, validation: sizes.train, test: sizes.train + sizes.validation };
  const name = split as UserSplit;
  const indices = [...order.slice(begins[name], begins[name] + sizes[name])];
  const inputs = new Float32Array(indices.length * examples.inputs[0]!.length);
  const perExample = examples.labels[0]!.length;
  const targets = new Float32Array(indices.length * perExample * examples.classes);
  for (const [at, index] of indices.entries()) {
    inputs.set(examples.inputs[index]!, at * examples.inputs[0]!.length);
    const labels = name === 'train' ? relabel(examples.labels[index]!) : examples.labels[index]!;
    for (const [place, label] of labels.entries()) {
      targets[(at * perExample + place) * examples.classes + label] = 1;
    }
  }
  const outputs = perExample === 1 ? [] : [perExample];
  return {
    xs: tf.tensor(inputs, [indices.length, ...examples.inputShape]),
    ys: tf.tensor(targets, [indices.length, ...outputs, examples.classes]),
  };
}
